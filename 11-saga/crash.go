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
	// AnyPoint counts every point that is passed.
	anyPoint = "any"
)

// CrashPoints are the places at which CRASH_AT can kill a process: at both sides
// of the commit of every transition, command and order, and of every publish.
func CrashPoints() []string {
	whats := []string{"placed", "relay"}
	for _, s := range []State{ChargingPayment, ReservingStock, ArrangingShip, Accepted,
		RecallingShip, ReleasingStock, RefundingPayment, Cancelled, Parked} {
		whats = append(whats, string(s))
	}
	for _, k := range []Kind{ChargePayment, ReserveStock, ShipOrder,
		RefundPayment, ReleaseStock, RecallShipment, SagaMoved} {
		whats = append(whats, string(k))
	}
	var points []string
	for _, what := range whats {
		points = append(points, what+"/"+beforeTheCommit, what+"/"+afterTheCommit)
	}
	return points
}

// crash is where to die, and the how manieth time there: Accepted/after-commit:5.
// A nil crash never does.
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
	return nil, usagef("CRASH_AT=%q: want a point and a number of times, such as %s/%s:5; "+
		"the points are any, %s", text, Accepted, afterTheCommit,
		strings.Join(CrashPoints(), ", "))
}

// at ends the process with SIGKILL if this is the point and the time: no defer is
// run, no connection closed, no transaction ended.
func (c *crash) at(what, where string) {
	if c == nil || what == "" || c.point != anyPoint && c.point != what+"/"+where {
		return
	}
	if c.left.Add(-1) != 0 {
		return
	}
	slog.Warn("dying on purpose", "at", what+"/"+where, "deaths", 1)
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		if err := self.Kill(); err == nil {
			select {} // until the signal arrives
		}
	}
	os.Exit(137) // what a shell reports of kill -9
}
