package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Diary keeps what happened to each grain, for the people who watch. Safe for
// concurrent use.
type Diary struct {
	mu     sync.Mutex
	pages  map[string][]string
	change chan struct{}
}

// NewDiary returns an empty diary.
func NewDiary() *Diary {
	return &Diary{pages: map[string][]string{}, change: make(chan struct{}, 1)}
}

func (d *Diary) add(grain, entry string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pages[grain] = append(d.pages[grain], entry)
	select {
	case d.change <- struct{}{}:
	default: // somebody will look anyway
	}
}

// tear takes the pages out once as many grains have as many entries each as is
// expected, or when the time is up.
func (d *Diary) tear(grains, entries int, patience time.Duration) map[string][]string {
	late := time.After(patience)
	for {
		if pages, done := d.take(grains, entries, false); done {
			return pages
		}
		select {
		case <-d.change:
		case <-late:
			pages, _ := d.take(0, 0, true)
			return pages
		}
	}
}

func (d *Diary) take(grains, entries int, anyway bool) (map[string][]string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	full := 0
	for _, page := range d.pages {
		if len(page) >= entries {
			full++
		}
	}
	if !anyway && full < grains {
		return nil, false
	}
	pages := d.pages
	d.pages = map[string][]string{}
	return pages, true
}

func printPages(out io.Writer, pages map[string][]string) {
	for _, grain := range slices.Sorted(maps.Keys(pages)) {
		fmt.Fprintf(out, "  %s: %s\n", grain, strings.Join(pages[grain], ", "))
	}
	if len(pages) == 0 {
		fmt.Fprintln(out, "  nobody got it")
	}
}
