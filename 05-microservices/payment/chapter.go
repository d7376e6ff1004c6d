package payment

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// chapter is one file of the book, and an index: where the line of each key is. The
// index is in memory; a replica that starts makes it by reading the file.
//
// A full chapter ends with a line that says so. What stands behind it is void, for
// everybody, and goes into the next. The book keeps the chapter in which it writes and
// the one before, so neither the files nor the index grow without end.
type chapter struct {
	number int
	file   *os.File // to append, and to look a line up
	reader *os.File // from where it stands everything is unread
	info   os.FileInfo
	read   int64 // how far it is known
	lines  map[digest]place
}

// digest stands for a key. An index without text is small, and the garbage collector
// need not look into it.
type digest [16]byte

// place is where a line is.
type place struct {
	offset int64
	length int32
	atMs   int64
}

const chapterName = "charges-%09d.jsonl"

func (b *Book) path(number int) string {
	return filepath.Join(b.dir, fmt.Sprintf(chapterName, number))
}

func (b *Book) open(number, flags int) (chapter, error) {
	file, err := os.OpenFile(b.path(number), os.O_RDWR|os.O_APPEND|flags, 0o600)
	if err != nil {
		return chapter{}, err
	}
	c := chapter{number: number, file: file, lines: map[digest]place{}}
	if c.info, err = file.Stat(); err == nil {
		c.reader, err = os.Open(b.path(number))
	}
	if err != nil {
		return chapter{}, errors.Join(err, file.Close())
	}
	return c, nil
}

func (c chapter) close() error {
	if c.file == nil {
		return nil
	}
	return errors.Join(c.file.Close(), c.reader.Close())
}

// there says why the file is not in its folder any more, or returns nil: what is
// written to one that was removed is gone with us.
func (c chapter) there() error {
	named, err := os.Stat(c.file.Name())
	if err == nil && !os.SameFile(c.info, named) {
		err = fmt.Errorf("%s is another file now", c.file.Name())
	}
	return err
}

// entry reads a line again.
func (b *Book) entry(c chapter, p place) (Entry, error) {
	line := make([]byte, p.length)
	if _, err := c.file.ReadAt(line, p.offset); err != nil {
		return Entry{}, err
	}
	return b.parse(line)
}

// begin opens the last chapter but one, from which [Book.catchUp] goes on to the last.
func (b *Book) begin() error {
	for {
		numbers, err := b.numbers()
		if err != nil {
			return err
		}
		number, flags := 1, os.O_CREATE
		if n := len(numbers); n > 0 {
			number, flags = numbers[max(0, n-2)], 0
		}
		c, err := b.open(number, flags)
		if errors.Is(err, fs.ErrNotExist) && len(numbers) > 0 {
			continue // it has been removed: there are newer ones
		}
		if err != nil {
			return err
		}
		err = errors.Join(b.now.close(), b.before.close())
		b.now, b.before = c, chapter{}
		return errors.Join(err, b.catchUp())
	}
}

// numbers are those of the chapters in the folder, in order.
func (b *Book) numbers() (all []int, err error) {
	files, err := os.ReadDir(b.dir) // sorted
	for _, f := range files {
		var n int
		if _, scanErr := fmt.Sscanf(f.Name(), chapterName, &n); scanErr == nil {
			all = append(all, n)
		}
	}
	return all, err
}

// endChapter ends the chapter in which we write. The next is there before anybody can
// read of it, so a chapter that cannot be found has been there and was removed. Several
// replicas may do this at the same time: the first line counts.
func (b *Book) endChapter() error {
	next, err := b.open(b.now.number+1, os.O_CREATE)
	if err != nil {
		return err
	}
	return errors.Join(next.close(), b.append(Entry{End: true}))
}

// turn goes on to the next chapter and forgets the one before this one.
func (b *Book) turn() error {
	next, err := b.open(b.now.number+1, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return b.begin() // the others are two chapters ahead
	}
	if err != nil {
		return err
	}
	err = b.before.close()
	b.before, b.now = b.now, next
	if old := b.now.number - 2; old > 0 {
		rmErr := os.Remove(b.path(old))
		if rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			slog.Warn("an old chapter of the book stays", "error", rmErr)
		}
	}
	return err
}

// catchUp reads what was appended since, by whomever.
func (b *Book) catchUp() error {
	for {
		n, err := b.now.reader.Read(b.buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ended, err := b.takeAll(b.buffer[:n])
		if err == nil && ended {
			err = b.turn()
		}
		if err != nil || n < len(b.buffer) && !ended {
			return err
		}
	}
}

// takeAll takes the lines of which the end is there, up to the end of the chapter.
// What is behind them will be read again.
func (b *Book) takeAll(raw []byte) (ended bool, err error) {
	begin := b.now.read
	whole := raw[:bytes.LastIndexByte(raw, '\n')+1]
	for line := range bytes.Lines(whole) {
		if ended = b.take(line); ended {
			break
		}
		b.now.read += int64(len(line))
	}
	switch done := b.now.read - begin; {
	case done == int64(len(raw)):
		return false, nil
	case done == 0 && !ended && len(raw) == len(b.buffer):
		err = fmt.Errorf("%s: no line ends after byte %d", b.now.file.Name(), begin)
	}
	_, seekErr := b.now.reader.Seek(b.now.read, io.SeekStart)
	return ended, errors.Join(err, seekErr)
}

// take puts a line into the index if it is the first with its key, and says whether it
// ends the chapter. What cannot be read is half a line: its writer was killed before
// it could answer anybody.
func (b *Book) take(line []byte) (ended bool) {
	if len(line) == 1 {
		return false
	}
	e, err := b.parse(line)
	if err != nil || e.End {
		return e.End
	}
	id := digestOf(e.Key)
	if _, p, known := b.index(id); known && e.AtMs-p.atMs <= b.ttl.Milliseconds() {
		return false
	}
	b.now.lines[id] = place{b.now.read, int32(len(line)), e.AtMs}
	return false
}

// look finds the line of a key.
func (b *Book) look(key string) (e Entry, found bool, err error) {
	c, p, known := b.index(digestOf(key))
	if !known || time.Now().UnixMilli()-p.atMs > b.ttl.Milliseconds() {
		return Entry{}, false, nil
	}
	e, err = b.entry(c, p)
	return e, err == nil, err
}

func (b *Book) index(id digest) (c chapter, p place, known bool) {
	for _, c := range []chapter{b.now, b.before} {
		if p, known := c.lines[id]; known {
			return c, p, true
		}
	}
	return chapter{}, place{}, false
}

func digestOf(key string) digest {
	sum := sha256.Sum256([]byte(key))
	return digest(sum[:len(digest{})])
}
