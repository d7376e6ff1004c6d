// Command find-the-race counts the words of a text in two goroutines.
package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Counters is what is counted.
type Counters struct {
	mu      sync.Mutex
	words   int
	letters atomic.Int64
	lines   chan int
	longest int
}

func main() {
	const text = "the receiver\nowns its counter\nand nobody else\ntouches it"
	c := &Counters{lines: make(chan int, 2)}
	half := strings.LastIndex(text[:len(text)/2], "\n")
	var both sync.WaitGroup
	for _, part := range []string{text[:half], text[half+1:]} {
		both.Go(func() { c.count(part) })
	}
	both.Wait()
	lines := <-c.lines + <-c.lines
	fmt.Println(c.words, "words", c.letters.Load(), "letters", lines, "lines, longest", c.longest)
}

func (c *Counters) count(part string) {
	lines := 0
	for line := range strings.Lines(part) {
		lines++
		for _, word := range strings.Fields(line) {
			c.mu.Lock()
			c.words++
			c.mu.Unlock()
			c.letters.Add(int64(len(word)))
			c.longest = max(c.longest, len(word))
		}
	}
	c.lines <- lines
}
