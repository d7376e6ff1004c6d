package saga

import (
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Where a process can be told to die.
const (
	beforeTheCommit = "before-commit"
	afterTheCommit  = "after-commit"
	// anyPoint counts every point that is passed.
	anyPoint = "any"
)

// whats are the commits that have a crash point on both sides: an order placed,
// messages relayed, every transition of the machine, every command of a service,
// and an event taken into the website's pages.
func whats() []string {
	all := []string{"placed", "relay"}
	for _, t := range orderSaga.transitions() {
		all = append(all, t.String())
	}
	for _, k := range []Kind{ChargePayment, ReserveStock, ShipOrder,
		RefundPayment, ReleaseStock, RecallShipment, SagaMoved} {
		all = append(all, string(k))
	}
	return all
}

// CrashPoints are the places at which CRASH_AT can kill a process.
func CrashPoints() []string {
	var points []string
	for _, what := range whats() {
		points = append(points, what+"/"+beforeTheCommit, what+"/"+afterTheCommit)
	}
	return points
}

// crash is where to die, and at which visit: placed/after-commit:5 is the fifth. A
// nil crash never does.
type crash struct {
	point string
	left  atomic.Int64
}

func parseCrash(text string) (*crash, error) {
	if text == "" {
		return nil, nil
	}
	point, number, counted := strings.Cut(text, ":")
	n := 1
	var err error
	if counted {
		n, err = strconv.Atoi(number)
	}
	for _, known := range append(CrashPoints(), anyPoint) {
		if point == known && err == nil && n > 0 {
			c := &crash{point: point}
			c.left.Store(int64(n))
			return c, nil
		}
	}
	return nil, usagef("CRASH_AT=%q: want a point and at which visit of it to die, such as "+
		"any:250 or placed/%s:5; before and behind the slash stand one of %s and one of %s, %s",
		text, afterTheCommit, strings.Join(whats(), ", "), beforeTheCommit, afterTheCommit)
}

// at ends the process with SIGKILL if one of these is the point and it is the time:
// no defer is run, no connection closed, no transaction ended.
func (c *crash) at(whats []string, where string) {
	for _, what := range whats {
		if c == nil || c.point != anyPoint && c.point != what+"/"+where || c.left.Add(-1) != 0 {
			continue
		}
		slog.Warn("dying on purpose", "at", what+"/"+where, "deaths", 1, "batch", len(whats))
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			if err := self.Kill(); err == nil {
				select {} // until the signal arrives
			}
		}
		os.Exit(137) // what a shell reports of kill -9
	}
}
