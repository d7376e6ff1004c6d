package streams

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"course.example/shop"
)

// noon is where the tests begin to count.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func newWindows(slack, lateness time.Duration, shapes ...Shape) *Windows {
	return &Windows{
		Shapes: shapes, Slack: slack, Lateness: lateness,
		Open: map[Window]map[string]Sum{}, Seen: map[string]time.Time{},
	}
}

func sold(sku string, quantity int, cents int64) shop.Order {
	return shop.Order{ID: "o", Items: []shop.Item{{SKU: sku, Quantity: quantity, PriceCents: cents}}}
}

func TestWindowsInWhichATimeLies(t *testing.T) {
	t.Parallel()
	tumbling := Shape{"t", 10 * time.Second, 10 * time.Second}
	sliding := Shape{"s", 30 * time.Second, 10 * time.Second}
	for _, tt := range []struct {
		shape Shape
		at    float64
		want  []float64
	}{
		{tumbling, 0, []float64{0}}, // a window has its beginning, and not its end
		{tumbling, 9.999, []float64{0}},
		{tumbling, 10, []float64{10}},
		{sliding, 0, []float64{0, -10, -20}},
		{sliding, 19.999, []float64{10, 0, -10}},
		{sliding, 20, []float64{20, 10, 0}},
	} {
		var want []time.Time
		for _, s := range tt.want {
			want = append(want, after(s))
		}
		if got := tt.shape.starts(after(tt.at)); !slices.Equal(got, want) {
			t.Errorf("%s at %vs: %v, want %v", tt.shape.Name, tt.at, got, want)
		}
		// Another zone is another name for the same time.
		there := after(tt.at).In(time.FixedZone("there", 3600))
		if got := tt.shape.starts(there); !slices.Equal(got, want) {
			t.Errorf("%s at %v: %v, want %v", tt.shape.Name, there, got, want)
		}
	}
}

// An order is in time, late and still taken, or too late: by the watermark, and by nothing else.
func TestLateness(t *testing.T) {
	t.Parallel()
	const size = 10 * time.Second
	for _, tt := range []struct {
		name           string
		latest         float64 // the latest event time before it
		late, rejected bool
	}{
		{"in order", 5, false, false},
		{"overtaken, within the slack", 11.9, false, false},
		{"behind the watermark", 12, true, false},
		{"at the last moment", 16.999, true, false},
		{"too late", 17, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWindows(2*time.Second, 5*time.Second, Shape{"t", size, size})
			w.Add(after(tt.latest), sold("A", 1, 100))
			counted, tooLate := w.Add(after(4), sold("B", 3, 10))
			window := Window{"t", noon, noon.Add(size)}
			sum := w.Open[window]["B"]
			if tt.rejected {
				if len(counted) != 0 || !slices.Equal(tooLate, []Window{window}) || sum.Orders != 0 {
					t.Errorf("counted %v, too late %v, sum %+v", counted, tooLate, sum)
				}
				return
			}
			want := Sum{Orders: 1, Pieces: 3, Cents: 30}
			if tt.late {
				want.Late = 1
			}
			if len(tooLate) != 0 || !slices.Equal(counted, []Window{window}) || sum != want {
				t.Errorf("counted %v, too late %v, sum %+v, want %+v", counted, tooLate, sum, want)
			}
		})
	}
}

// An order with an old time does not take the watermark back.
func TestWatermarkNeverGoesBack(t *testing.T) {
	t.Parallel()
	w := newWindows(time.Second, 0, Shape{"t", time.Minute, time.Minute})
	w.Add(after(100), sold("A", 1, 1))
	w.Add(after(3), sold("A", 1, 1))
	if got := w.Watermark(); !got.Equal(after(99)) {
		t.Errorf("the watermark is %v", got)
	}
}

// A product on two lines of an order is one order of it.
func TestSumsOfAnOrder(t *testing.T) {
	t.Parallel()
	got := sales(shop.Order{Items: []shop.Item{
		{SKU: "A", Quantity: 1, PriceCents: 5}, {SKU: "B", Quantity: 2, PriceCents: 7},
		{SKU: "A", Quantity: 3, PriceCents: 4},
	}})
	want := map[string]Sum{
		"A": {Orders: 1, Pieces: 4, Cents: 17}, "B": {Orders: 1, Pieces: 2, Cents: 14},
		AllProducts: {Orders: 1, Pieces: 6, Cents: 31},
	}
	if !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What is kept does not grow with the stream.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	w := newWindows(time.Second, 2*time.Second,
		Shape{"t", time.Second, time.Second}, Shape{"s", 5 * time.Second, time.Second})
	for i := range 10_000 {
		at := after(float64(i) / 10)
		w.Add(at, sold(fmt.Sprint("P", i%3), 1, 1))
		w.Seen[fmt.Sprint(i)] = w.until(at)
		w.Close()
		w.Forget()
	}
	// Windows that end within the slack and the lateness, and those that have not ended.
	if len(w.Open) > 4+9 {
		t.Errorf("%d windows are open", len(w.Open))
	}
	if len(w.Seen) > 82 { // of 8 seconds, ten a second
		t.Errorf("%d orders are remembered", len(w.Seen))
	}
}

// Whatever the order in which they come, within the slack, the sums are the same.
func TestSumsDoNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	shapes := []Shape{{"t", time.Second, time.Second}, {"s", 3 * time.Second, time.Second}}
	random := rand.New(rand.NewPCG(1, 2))
	times := make([]time.Time, 300)
	for i := range times {
		times[i] = after(random.Float64() * 10)
	}
	sums := func() map[Window]map[string]Sum {
		w := newWindows(20*time.Second, 0, shapes...)
		for _, at := range times {
			w.Add(at, sold("A", at.Second()+1, 3))
		}
		return w.Open
	}
	want := sums()
	random.Shuffle(len(times), func(i, j int) { times[i], times[j] = times[j], times[i] })
	if got := sums(); !maps.EqualFunc(got, want, maps.Equal) {
		t.Errorf("in another order other sums:\n%v\n%v", got, want)
	}
}

// A clock that is ahead must not close windows for everybody else.
func TestAnOrderFromTheFuture(t *testing.T) {
	t.Parallel()
	record := Record{Appended: after(5)}
	for at, want := range map[time.Time]time.Time{
		after(3): after(3), after(5): after(5), after(5e6): after(5),
	} {
		if got := eventTime(record, shop.Order{PlacedAt: at}); !got.Equal(want) {
			t.Errorf("placed at %v, appended at %v: %v, want %v", at, record.Appended, got, want)
		}
	}
}

func TestPartitionsAreShared(t *testing.T) {
	t.Parallel()
	const partitions = 4
	seen := map[int]int{}
	for i := range 1000 {
		key := fmt.Sprintf("customer-%d@example.com", i)
		p := PartitionOf(key, partitions)
		if p != PartitionOf(key, partitions) || p < 0 || p >= partitions {
			t.Fatalf("%s: partition %d", key, p)
		}
		seen[p]++
	}
	for p := range partitions {
		if seen[p] < 200 {
			t.Errorf("partition %d has %d of 1000 customers", p, seen[p])
		}
	}
}

// The book adds up by other code. Both must cut time at the same places, whatever the size.
func TestWindowsAndBookCutTimeAlike(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []time.Duration{10 * time.Millisecond, 700 * time.Millisecond, 7 * time.Second, time.Minute} {
		s := DefaultSettings()
		s.Window, s.Sliding, s.Slack = size, 3, 24*time.Hour
		w, f := s.windows(), newFolded()
		for range 200 {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			check(t, err)
			order.PlacedAt = noon.Add(time.Duration(random.Int64N(int64(10 * size)))).Truncate(time.Millisecond)
			body, err := encode(order)
			record := Record{Body: body, Appended: noon.Add(time.Hour)}
			check(t, err, f.record(record, s))
			w.Add(eventTime(record, order), order)
		}
		for _, adds := range f.orders {
			for place, add := range adds {
				f.sums[place] = f.sums[place].plus(add)
			}
		}
		got := map[account]amounts{}
		for window, products := range w.Open {
			for product, sum := range products {
				place := account{window.End.Sub(window.Start).Milliseconds(), window.Start.UnixMilli(), product}
				got[place] = amounts{sum.Orders, sum.Pieces, sum.Cents}
			}
		}
		if !maps.Equal(got, f.sums) {
			t.Errorf("windows of %v: the sums are\n%v\nand the book says\n%v", size, got, f.sums)
		}
	}
}
