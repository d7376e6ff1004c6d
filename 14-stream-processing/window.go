package streams

import (
	"time"

	"course.example/shop"
)

// Shape says how time is cut into windows. Where a window begins as soon as the last one has ended
// (Every is Size) they are tumbling, and an order lies in one of them. Where they begin more often they
// are sliding, and an order lies in several.
type Shape struct {
	Name        string
	Size, Every time.Duration
}

// starts returns the beginnings of all windows in which t lies. They are counted from 1970, so that all
// readers cut at the same times.
func (s Shape) starts(t time.Time) (all []time.Time) {
	every := s.Every.Milliseconds()
	start := time.UnixMilli(t.UnixMilli() / every * every).UTC()
	for ; start.Add(s.Size).After(t); start = start.Add(-s.Every) {
		all = append(all, start)
	}
	return all
}

// Window is a piece of event time: of the time when orders were placed, not when they are read.
type Window struct {
	Shape      string
	Start, End time.Time // UTC
}

// Sum is what was sold of a product in a window.
type Sum struct {
	Orders, Pieces, Cents int64
	Late                  int64 // of the orders, those that came behind the watermark
}

// AllProducts is the name under which a window has the sum of all.
const AllProducts = ""

// Windows is what is known of the windows of one partition that may still change. The zero value lacks
// its settings; it is for one goroutine.
type Windows struct {
	Shapes []Shape
	// Slack is by how much orders may overtake each other on their way and still be in time.
	Slack time.Duration
	// Lateness is how long after its end a window still takes orders that come late.
	Lateness time.Duration

	Latest time.Time                 // the latest event time that was seen
	Open   map[Window]map[string]Sum // by product
	Seen   map[string]time.Time      // orders of open windows, and until which watermark they matter
}

// Watermark is the time up to which all orders are believed to be here. It is a guess, as every statement
// about a stream that has no end: an order that was placed before may come all the same.
func (w *Windows) Watermark() time.Time { return w.Latest.Add(-w.Slack) }

// Add counts an order in all windows in which it lies. It returns those that are closed, for which it
// comes too late, and the others.
func (w *Windows) Add(at time.Time, order shop.Order) (counted, tooLate []Window) {
	if at.After(w.Latest) {
		w.Latest = at // a watermark never goes back
	}
	for _, shape := range w.Shapes {
		for _, start := range shape.starts(at) {
			window := Window{shape.Name, start, start.Add(shape.Size)}
			if w.closed(window) {
				tooLate = append(tooLate, window)
				continue
			}
			w.count(window, order)
			counted = append(counted, window)
		}
	}
	return counted, tooLate
}

func (w *Windows) closed(window Window) bool {
	return !window.End.Add(w.Lateness).After(w.Watermark())
}

func (w *Windows) count(window Window, order shop.Order) {
	products := w.Open[window]
	if products == nil {
		products = map[string]Sum{}
		w.Open[window] = products
	}
	for product, more := range sales(order) {
		sum := products[product]
		sum.Orders += more.Orders
		sum.Pieces += more.Pieces
		sum.Cents += more.Cents
		if !window.End.After(w.Watermark()) {
			sum.Late++
		}
		products[product] = sum
	}
}

// sales is what an order adds to the sums of its products, and to that of all.
func sales(order shop.Order) map[string]Sum {
	sums := map[string]Sum{}
	for _, item := range order.Items {
		pieces := int64(item.Quantity)
		for _, product := range []string{item.SKU, AllProducts} {
			sum := sums[product]
			sum.Orders = 1
			sum.Pieces += pieces
			sum.Cents += pieces * item.PriceCents
			sums[product] = sum
		}
	}
	return sums
}

// Close forgets the windows for which every further order would come too late. Without that, what a
// consumer keeps in memory grows for as long as the stream does.
func (w *Windows) Close() {
	for window := range w.Open {
		if w.closed(window) {
			delete(w.Open, window)
		}
	}
}

// Forget forgets the orders whose windows are all closed.
func (w *Windows) Forget() {
	for order, until := range w.Seen {
		if !until.After(w.Watermark()) {
			delete(w.Seen, order)
		}
	}
}

// until is the watermark at which the last window of an order closes.
func (w *Windows) until(at time.Time) time.Time {
	var longest time.Duration
	for _, shape := range w.Shapes {
		longest = max(longest, shape.Size)
	}
	return at.Add(longest + w.Lateness)
}
