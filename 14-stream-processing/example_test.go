package streams

import (
	"fmt"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
)

// An order is counted in the minute in which it was placed, whenever it comes; until it comes too late.
func Example_lateness() {
	w := &Windows{
		Shapes: []Shape{{Name: Tumbling, Size: time.Minute, Every: time.Minute}},
		Slack:  10 * time.Second, Lateness: time.Minute,
		Open: map[Window]map[string]Sum{},
	}
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, placed := range []string{"12h0m40s", "12h1m5s", "12h0m50s", "12h1m20s", "12h0m55s", "12h2m15s", "12h0m59s"} {
		at, err := time.ParseDuration(placed)
		if err != nil {
			panic(err)
		}
		order := shop.Order{Items: []shop.Item{{SKU: "MUG-CHAN", Quantity: 1, PriceCents: 1250}}}
		counted, tooLate := w.Add(day.Add(at), order)
		fate := "too late"
		for _, window := range counted {
			sum := w.Open[window][AllProducts]
			fate = fmt.Sprintf("window %s has %d, %d of them late",
				window.Start.Format("15:04"), sum.Orders, sum.Late)
		}
		for _, window := range tooLate {
			fate = "too late for window " + window.Start.Format("15:04")
		}
		fmt.Printf("placed %s, watermark %s: %s\n", day.Add(at).Format("15:04:05"),
			w.Watermark().Format("15:04:05"), fate)
	}
	// Output:
	// placed 12:00:40, watermark 12:00:30: window 12:00 has 1, 0 of them late
	// placed 12:01:05, watermark 12:00:55: window 12:01 has 1, 0 of them late
	// placed 12:00:50, watermark 12:00:55: window 12:00 has 2, 0 of them late
	// placed 12:01:20, watermark 12:01:10: window 12:01 has 2, 0 of them late
	// placed 12:00:55, watermark 12:01:10: window 12:00 has 3, 1 of them late
	// placed 12:02:15, watermark 12:02:05: window 12:02 has 1, 0 of them late
	// placed 12:00:59, watermark 12:02:05: too late for window 12:00
}

// A sliding window tells of the last minutes, again and again: an order is in several of them.
func Example_sliding() {
	for _, shape := range []Shape{
		{Name: Tumbling, Size: 5 * time.Minute, Every: 5 * time.Minute},
		{Name: Sliding, Size: 5 * time.Minute, Every: time.Minute},
	} {
		fmt.Print(shape.Name, ":")
		for _, start := range shape.starts(time.Date(2026, 1, 2, 12, 7, 30, 0, time.UTC)) {
			fmt.Printf(" %s-%s", start.Format("15:04"), start.Add(shape.Size).Format("15:04"))
		}
		fmt.Println()
	}
	// Output:
	// tumbling: 12:05-12:10
	// sliding: 12:07-12:12 12:06-12:11 12:05-12:10 12:04-12:09 12:03-12:08
}

// All orders of a customer are in one partition, and so they stay in their order.
func ExamplePartitionOf() {
	for _, customer := range []string{"ada@example.com", "bob@example.com", "ada@example.com"} {
		fmt.Println(customer, PartitionOf(customer, 4))
	}
	// Output:
	// ada@example.com 2
	// bob@example.com 1
	// ada@example.com 2
}

// Reading takes nothing away: each reader has an offset of its own, and gets all that is behind it.
func ExampleLog() {
	servicestest.Example(func(t testing.TB) {
		s := DefaultSettings()
		s.NATSURL, s.Replicas, s.Partitions = servicestest.NATS(t), 1, 1
		log, err := OpenLog(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() })
		for _, id := range []string{"a", "b", "c", "c"} { // the last one is sent again
			if err := log.Append(t.Context(), 0, id, []byte(id)); err != nil {
				t.Fatal(err)
			}
		}
		for _, offset := range []uint64{0, 2} {
			for _, r := range readFrom(t, log, offset) {
				fmt.Printf("from %d: record %d is %s\n", offset, r.Offset, r.Body)
			}
		}
	})
	// Output:
	// from 0: record 1 is a
	// from 0: record 2 is b
	// from 0: record 3 is c
	// from 2: record 3 is c
}

// readFrom reads partition 0 from an offset to its end.
func readFrom(t testing.TB, log Log, offset uint64) (all []Record) {
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reader, err := log.Read(t.Context(), 0, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for offset+uint64(len(all)) < ends[0] {
		batch, err := reader.Batch(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	return all
}
