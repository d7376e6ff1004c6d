package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"course.example/lab/internal/ledger"
)

// Line is one line that a process wrote.
type Line struct {
	Process string
	Time    time.Time
	Level   string // DEBUG, INFO, WARN, ERROR; empty when it was no log record
	Text    string // the message, or the whole line when it was no log record
	Attrs   []Attr // in the order of the record
}

// Attr is one attribute of a log record.
type Attr struct {
	Key, Value string
	// Text says that the value was a JSON string, and no number, list or object.
	Text bool
}

// Attr returns the value of the first attribute with that key, or "".
func (l Line) Attr(key string) string { return l.attr(key).Value }

func (l Line) attr(key string) Attr {
	for _, a := range l.Attrs {
		if a.Key == key {
			return a
		}
	}
	return Attr{}
}

// Event returns what the line says of an order, if it says anything. Which lines do,
// stands in the shop's contract.json; [Line.Slip] tells of those that almost do.
func (l Line) Event() (ledger.Event, bool) {
	kind, ok := ledger.ParseMessage(l.Text)
	order := l.attr("order")
	if !ok || !order.Text || order.Value == "" {
		return ledger.Event{}, false
	}
	attempt, err := strconv.Atoi(l.Attr("attempt"))
	if err != nil {
		attempt = 0 // most events have none
	}
	return ledger.Event{
		Time: l.Time, Kind: kind, Order: order.Value, Process: l.Process,
		Attempt: attempt, Reason: l.Attr("reason"), Effect: l.Attr("effect"),
	}, true
}

// ParseLine reads a JSON log record. Whatever is none, such as the output of
// fmt.Println or of a crash, is passed on as it is.
func ParseLine(process string, raw []byte) Line {
	line := Line{Process: process, Time: time.Now()}
	raw = bytes.TrimRight(raw, "\r")
	if len(raw) == 0 || raw[0] != '{' || !line.readRecord(raw) {
		line.Level, line.Attrs = "", nil
		line.Text = string(bytes.ToValidUTF8(raw, []byte("?")))
	}
	return line
}

// readRecord keeps the attributes in order, which decoding into a map would not.
func (l *Line) readRecord(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return false
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return false
		}
		key, ok := token.(string)
		if !ok {
			return false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return false
		}
		l.set(key, value)
	}
	// A record that was cut off in the middle, by a kill, says nothing.
	_, endErr := d.Token()
	_, moreErr := d.Token()
	return endErr == nil && errors.Is(moreErr, io.EOF) && l.Text != ""
}

func (l *Line) set(key string, raw json.RawMessage) {
	value, text := plain(raw)
	switch key {
	case "time":
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			l.Time = t
		}
	case "level":
		l.Level = value
	case "msg":
		l.Text = value
	default:
		l.Attrs = append(l.Attrs, Attr{key, value, text})
	}
}

// plain is a value as people write it, and whether it was a string. Nothing, in JSON
// null, is the empty text of no string.
func plain(value json.RawMessage) (text string, isString bool) {
	isString = len(value) > 0 && value[0] == '"'
	if json.Unmarshal(value, &text) == nil {
		return text, isString
	}
	return string(value), false
}
