package async

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// many begins one piece of work for each delay; its value is the index.
func many(ctx context.Context, delays ...time.Duration) []*Future[int] {
	futures := make([]*Future[int], len(delays))
	for i, d := range delays {
		futures[i] = Go(ctx, after(d, i, nil))
	}
	return futures
}

func TestAllCostsTheSlowest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wantTime(t, took(func() {
			f := All(t.Context(), many(t.Context(), 300, 5*time.Second, 0, 70)...)
			values, err := f.Await(t.Context())
			if err != nil || !slices.Equal(values, []int{0, 1, 2, 3}) {
				t.Errorf("got %v, %v", values, err)
			}
		}), 5*time.Second)
	})
}

func TestAllOfManyCostsTheSlowest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		delays := make([]time.Duration, 20_000)
		for i := range delays {
			delays[i] = time.Second
		}
		wantTime(t, took(func() {
			if _, err := All(t.Context(), many(t.Context(), delays...)...).
				Await(t.Context()); err != nil {
				t.Error(err)
			}
		}), time.Second)
	})
}

func TestAllEndsWithTheFirstErrorAndCancelsTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		futures := many(t.Context(), time.Hour, 300*time.Millisecond, time.Hour)
		failing := Go(t.Context(), after(time.Second, 0, errWork))
		wantTime(t, took(func() {
			f := All(t.Context(), append(futures, failing)...)
			if values, err := f.Await(t.Context()); !errors.Is(err, errWork) || values != nil {
				t.Errorf("got %v, %v", values, err)
			}
			for _, i := range []int{0, 2} {
				if _, err := futures[i].Await(t.Context()); !errors.Is(err, context.Canceled) {
					t.Errorf("future %d: %v", i, err)
				}
			}
		}), time.Second)
		if value, err := futures[1].Await(t.Context()); value != 1 || err != nil {
			t.Errorf("what was done is not any more: %d, %v", value, err)
		}
	})
}

// Work that does not watch its context cannot hold up the bad news.
func TestAllDoesNotWaitForTheDeaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deaf := Go(t.Context(), func(context.Context) (int, error) {
			time.Sleep(time.Minute)
			return 0, nil
		})
		wantTime(t, took(func() {
			f := All(t.Context(), deaf, Go(t.Context(), after(time.Second, 0, errWork)))
			if _, err := f.Await(t.Context()); !errors.Is(err, errWork) {
				t.Error(err)
			}
		}), time.Second)
		time.Sleep(time.Minute) // until it has ended as well
	})
}

func TestCancellingTheWholeCancelsTheParts(t *testing.T) {
	t.Parallel()
	for name, combine := range map[string]func(context.Context, ...*Future[int]) func(){
		"all": func(ctx context.Context, f ...*Future[int]) func() {
			return All(ctx, f...).Cancel
		},
		"race": func(ctx context.Context, f ...*Future[int]) func() {
			return Race(ctx, f...).Cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parts := many(t.Context(), time.Hour, time.Hour)
				cancel := combine(t.Context(), parts...)
				synctest.Wait()
				wantTime(t, took(func() {
					cancel()
					for _, part := range parts {
						if _, err := part.Await(t.Context()); !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
					}
				}), 0)
			})
		})
	}
}

func TestNothingToWaitFor(t *testing.T) {
	t.Parallel()
	if values, err := All[int](t.Context()).Await(t.Context()); len(values) != 0 || err != nil {
		t.Errorf("all of nothing: %v, %v", values, err)
	}
	if _, err := Race[int](t.Context()).Await(t.Context()); !errors.Is(err, ErrNoFutures) {
		t.Errorf("a race of nobody: %v", err)
	}
}

func TestRaceCostsTheFastestAndCancelsTheLosers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		futures := many(t.Context(), time.Hour, 250*time.Millisecond, time.Second)
		wantTime(t, took(func() {
			if value, err := Race(t.Context(), futures...).Await(t.Context()); value != 1 || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
			for _, i := range []int{0, 2} {
				if _, err := futures[i].Await(t.Context()); !errors.Is(err, context.Canceled) {
					t.Errorf("loser %d: %v", i, err)
				}
			}
		}), 250*time.Millisecond)
	})
}

// A replica that is down is the fastest of all, and must not win.
func TestRaceIsWonByASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wantTime(t, took(func() {
			down := Go(t.Context(), after(0, 0, errWork))
			value, err := Race(t.Context(), down, Go(t.Context(), after(time.Second, 7, nil))).
				Await(t.Context())
			if value != 7 || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
		}), time.Second)
	})
}

func TestRaceThatAllLoseSaysWhyEachDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := errors.New("another reason")
		wantTime(t, took(func() {
			_, err := Race(t.Context(),
				Go(t.Context(), after(2*time.Second, 0, errWork)),
				Go(t.Context(), after(time.Second, 0, other))).Await(t.Context())
			if !errors.Is(err, errWork) || !errors.Is(err, other) {
				t.Error(err)
			}
		}), 2*time.Second)
	})
}

func TestDeadlineReachesThroughEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 123456789*time.Nanosecond)
		defer cancel()
		wantTime(t, took(func() {
			chain := Then(ctx, Race(ctx, many(ctx, time.Hour, time.Minute)...), after2)
			_, err := All(ctx, chain, Go(ctx, after(time.Hour, 0, nil))).Await(t.Context())
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}), 123456789*time.Nanosecond)
	})
}

func after2(ctx context.Context, n int) (int, error) { return n, Sleep(ctx, time.Hour) }
