package skew

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), servicestest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), Schema); err != nil {
		t.Fatal(err)
	}
	return pool
}

// The slide's picture, under each isolation level and with each lock. Those that are wrong
// must leave nobody on call.
func TestTwoDoctors(t *testing.T) {
	t.Parallel()
	pool := open(t)
	want := map[string]Outcome{
		"READ COMMITTED":        {OnCall: 0},
		"REPEATABLE READ":       {OnCall: 0},
		"SERIALIZABLE":          {OnCall: 1, Retries: 1},
		"FOR UPDATE":            {OnCall: 1, Waited: true},
		"materialised conflict": {OnCall: 1, Waited: true},
	}
	for shift, way := range Ways {
		got, err := way.Meet(t.Context(), pool, shift)
		if err != nil || got != want[way.Name] {
			t.Errorf("%s: %+v, %v; want %+v", way.Name, got, err, want[way.Name])
		}
		if way.Right != (got.OnCall > 0) {
			t.Errorf("%s: right is %v, and %d are on call", way.Name, way.Right, got.OnCall)
		}
	}
}

// Whoever asks alone goes, and the last one stays.
func TestTheLastOneStays(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for shift, way := range Ways {
		if err := Begin(t.Context(), pool, shift); err != nil {
			t.Fatal(err)
		}
		if n, err := way.Leave(t.Context(), pool, shift, "Alice"); n != 0 || err != nil {
			t.Errorf("%s: Alice after %d retries: %v", way.Name, n, err)
		}
		if _, err := way.Leave(t.Context(), pool, shift, "Bob"); !errors.Is(err, ErrStay) {
			t.Errorf("%s: Bob: %v", way.Name, err)
		}
	}
}

// Without a choreography, many times, the right ways leave somebody on call each time.
func TestSomebodyStays(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for _, way := range Ways {
		if !way.Right {
			continue
		}
		for range 20 {
			if n, _ := race(t, pool, way, 1); n != 1 {
				t.Errorf("%s: %d are on call", way.Name, n)
			}
		}
	}
}

// race lets both ask at once, and returns how many stayed and how many retries it took.
func race(t testing.TB, pool *pgxpool.Pool, way Way, shift int) (onCall, retries int) {
	t.Helper()
	if err := Begin(t.Context(), pool, shift); err != nil {
		t.Fatal(err)
	}
	var again [2]int
	var group sync.WaitGroup
	for i, name := range []string{"Alice", "Bob"} {
		group.Go(func() {
			n, err := way.Leave(t.Context(), pool, shift, name)
			if err != nil && !errors.Is(err, ErrStay) {
				t.Errorf("%s: %v", way.Name, err)
			}
			again[i] = n
		})
	}
	group.Wait()
	err := pool.QueryRow(t.Context(), `SELECT count(*) FROM doctors WHERE shift = $1 AND on_call`,
		shift).Scan(&onCall)
	if err != nil {
		t.Fatal(err)
	}
	return onCall, again[0] + again[1]
}

func ExampleWay_Meet() {
	servicestest.Example(func(t testing.TB) {
		pool := open(t)
		for shift, way := range Ways {
			o, err := way.Meet(context.Background(), pool, shift)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("%-21s  on call: %d  Bob waited: %-5v  retries: %d\n",
				way.Name, o.OnCall, o.Waited, o.Retries)
		}
	})
	// Output:
	// READ COMMITTED         on call: 0  Bob waited: false  retries: 0
	// REPEATABLE READ        on call: 0  Bob waited: false  retries: 0
	// SERIALIZABLE           on call: 1  Bob waited: false  retries: 1
	// FOR UPDATE             on call: 1  Bob waited: true   retries: 0
	// materialised conflict  on call: 1  Bob waited: true   retries: 0
}

// How many pairs a second each way lets decide, beside READ COMMITTED; and retries, and
// how many shifts were left alone.
func BenchmarkRace(b *testing.B) {
	pool := open(b)
	for _, way := range Ways {
		b.Run(way.Name, func(b *testing.B) {
			alone, retries := 0, 0
			for b.Loop() {
				n, again := race(b, pool, way, 1)
				retries += again
				if n == 0 {
					alone++
				}
			}
			b.ReportMetric(float64(retries)/float64(b.N), "retries/op")
			b.ReportMetric(float64(alone)/float64(b.N), "alone/op")
		})
	}
}
