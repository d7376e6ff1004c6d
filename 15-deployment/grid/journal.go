package grid

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// entry is a line of the journal: a unit that was accepted, or a result that was told.
type entry struct {
	Unit *Unit `json:"unit,omitempty"`
	Told *told `json:"told,omitempty"`
}

// journal is what the coordinator must not forget. Leases are not in it: when it comes
// back, every open unit is free. A nil journal keeps nothing.
type journal struct {
	file   *os.File
	broken error // a line may be half written: nothing must follow it
}

// write returns when the line is on the disk.
func (j *journal) write(e entry) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err == nil && j.broken == nil {
		_, err = j.file.Write(append(line, '\n'))
		j.broken = errors.Join(err, j.file.Sync())
	}
	if err = errors.Join(err, j.broken); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// Open returns a coordinator that goes on where its journal ends, and writes to it. The
// caller closes it.
func Open(path string, rules Rules) (*Coordinator, io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open the journal: %w", err)
	}
	c := NewCoordinator(rules)
	if err := c.replay(file); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read the journal %s: %w", path, err), file.Close())
	}
	c.journal = &journal{file: file}
	return c, file, nil
}

// replay does again what the journal says, and cuts off a last line that a crash has left
// half written: nobody was told yes for it.
func (c *Coordinator) replay(file *os.File) error {
	var end int64
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("the line at byte %d: %w", end, err)
		}
		c.again(e)
		c.lately = nil // it was not now
		end += int64(len(line))
	}
	_, err := file.Seek(end, io.SeekStart)
	return errors.Join(file.Truncate(end), err)
}

// again applies an entry. What it says of an effect may have been said before the crash, or
// may not: the ledger knows by its name that it is the same one.
func (c *Coordinator) again(e entry) {
	if e.Unit != nil {
		c.add(*e.Unit)
	}
	if e.Told == nil {
		return
	}
	if u, known := c.units[e.Told.Order]; known && !u.done && !c.banned[e.Told.Worker] {
		c.apply(u, e.Told.Worker, e.Told.Result).log(context.Background())
	}
}
