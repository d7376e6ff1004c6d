// Command slide is event sourcing on one slide: a log, two folds over it, and no state that
// is stored anywhere.
package main

import (
	"errors"
	"fmt"
)

type Event any
type Placed struct{ Item string }
type Cancelled struct{ Reason string }

var log = map[string][]Event{} // one stream for each order

// appendTo adds an event, if the stream is still as it was when it was decided about.
func appendTo(order string, expected int, e Event) error {
	if len(log[order]) != expected {
		return errors.New("another was faster: look again")
	}
	log[order] = append(log[order], e)
	return nil
}

// fold is the state of an order: what has happened to it, added up.
func fold(events []Event) (status string) {
	for _, e := range events {
		switch e := e.(type) {
		case Placed:
			status = "placed: " + e.Item
		case Cancelled:
			status = "cancelled: " + e.Reason
		}
	}
	return status
}

// stock is another fold over the same events. It could have been written a year later.
func stock() map[string]int {
	reserved := map[string]int{}
	for _, events := range log {
		last := ""
		for _, e := range events {
			switch e := e.(type) {
			case Placed:
				last = e.Item
				reserved[last]++
			case Cancelled:
				reserved[last]--
			}
		}
	}
	return reserved
}

func main() {
	fmt.Println(appendTo("7", 0, Placed{"mug"}), appendTo("8", 0, Placed{"mug"}))
	fmt.Println(appendTo("7", 1, Cancelled{"too dear"}), appendTo("7", 1, Placed{"hat"}))
	fmt.Println(fold(log["7"]), "| before that:", fold(log["7"][:1]), "|", stock())
}
