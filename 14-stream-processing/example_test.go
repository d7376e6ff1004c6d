package streams

import (
	"fmt"
	"time"

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
