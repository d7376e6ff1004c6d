// Package log is a log of events in memory.
package log

import (
	"errors"
	"slices"
	"sync"
)

// ErrConflict says that another was faster: look again, and decide again.
var ErrConflict = errors.New("another was faster")

// Log is safe for concurrent use. The zero value is an empty log.
type Log struct {
	mu       sync.Mutex
	streams  map[string][]string
	commands map[string]int
}

// Append adds an event to a stream that has as many events as expected, and returns the version of
// the stream with it: 1 for the first event. A command that was appended before gets the version
// that it got then.
func (l *Log) Append(stream string, expected int, command, event string) (version int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version, known := l.commands[command]; known {
		return version, nil
	}
	if len(l.streams[stream]) != expected {
		return 0, ErrConflict
	}
	if l.streams == nil {
		l.streams, l.commands = map[string][]string{}, map[string]int{}
	}
	l.streams[stream] = append(l.streams[stream], event)
	l.commands[command] = expected + 1
	return expected + 1, nil
}

// Events returns the events of a stream.
func (l *Log) Events(stream string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.streams[stream])
}
