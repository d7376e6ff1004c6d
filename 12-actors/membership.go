package actors

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"course.example/12-actors/dashboard"
	"github.com/redis/go-redis/v9"
)

// ErrLeaseLost: the others have taken this silo for dead. Its grains live
// elsewhere by now, and it must end.
var ErrLeaseLost = errors.New("the others have taken this silo for dead")

// Member is what a silo tells of itself each time it renews its lease.
type Member struct {
	ID      string           `json:"id"`      // of this life: a silo that comes back is another member
	Name    string           `json:"name"`    // silo-2
	Address string           `json:"address"` // host:port of the engine
	PID     int              `json:"pid"`
	Started time.Time        `json:"started"`
	Kinds   []string         `json:"kinds"` // of the grains that it can host
	Told    time.Time        `json:"told"`  // when this was written
	Census  dashboard.Census `json:"census"`

	Silent time.Duration `json:"-"` // since its last renewal, by the clock of the table
}

// Table is where silos find each other: a sorted set in Redis that says until
// when the lease of each member runs. It is the membership table of Orleans, and
// like it, lies in a store that the cluster needs anyway.
//
// A silo that cannot renew for a whole lease is taken for dead. One renewal that
// fails means nothing.
type Table struct {
	client *redis.Client
	script *redis.Script
	lease  time.Duration
}

//go:embed membership.lua
var membershipScript string

// NewTable returns the table on that connection pool.
func NewTable(client *redis.Client, lease time.Duration) *Table {
	return &Table{client, redis.NewScript(membershipScript), lease}
}

const (
	join  = "join"
	renew = "renew"
	leave = "leave"
	look  = "look"
)

const (
	keyLeases  = "cluster:leases"
	keyRecords = "cluster:members"
	keyPulse   = "cluster:pulse"
	keyLog     = "cluster:log"
	keyBorn    = "cluster:born"
	keyVersion = "cluster:version"

	keyAccusations = "cluster:accusations"
	keyJoined      = "cluster:joined"
	keyPlacements  = "cluster:placements"
)

// Report is what a process tells at a visit.
type Report struct {
	Me          Member
	Events      []dashboard.Event // since the last visit
	Unreachable []string          // members that did not answer it
}

// List is what a visit to the table tells.
type List struct {
	Members []Member
	Version int64 // grows whenever somebody comes or goes
	Forming bool  // there may be others
}

// visit does one of the four things above and returns the members there are. For a
// member that renews a lease which was taken from it the error is [ErrLeaseLost].
func (t *Table) visit(ctx context.Context, what string, tells Report) (list List, err error) {
	record, err := json.Marshal(tells.Me)
	if err != nil {
		return list, fmt.Errorf("encode the member: %w", err)
	}
	args := []any{what, tells.Me.ID, t.lease.Milliseconds(), record, strings.Join(tells.Unreachable, " ")}
	for _, e := range tells.Events {
		line, err := json.Marshal(e)
		if err != nil {
			return list, fmt.Errorf("encode an event: %w", err)
		}
		args = append(args, line)
	}
	answer, err := t.script.Run(ctx, t.client,
		[]string{keyLeases, keyRecords, keyPulse, keyLog, keyBorn, keyVersion,
			keyAccusations, keyJoined, keyPlacements}, args...).StringSlice()
	if err != nil {
		return list, fmt.Errorf("the table of members: %w", err)
	}
	list.Forming = answer[0] == "forming"
	if list.Version, err = strconv.ParseInt(answer[1], 10, 64); err != nil {
		return list, fmt.Errorf("the table of members: its version: %w", err)
	}
	list.Members = make([]Member, (len(answer)-2)/2)
	for i := range list.Members {
		record, silent := answer[2+2*i], answer[3+2*i]
		if err := json.Unmarshal([]byte(record), &list.Members[i]); err != nil {
			return list, fmt.Errorf("the table of members: %q: %w", record, err)
		}
		ms, err := strconv.ParseInt(silent, 10, 64)
		if err != nil {
			return list, fmt.Errorf("the table of members: silent for %q: %w", silent, err)
		}
		list.Members[i].Silent = time.Duration(ms) * time.Millisecond
	}
	if answer[0] == "lost" {
		return list, ErrLeaseLost
	}
	return list, nil
}

// Log returns the newest of what happened in the cluster, newest first: to silos, and so
// many lines of what happened to grains.
func (t *Table) Log(ctx context.Context, limit int64) ([]dashboard.Event, error) {
	lines, err := t.client.LRange(ctx, keyLog, 0, -1).Result()
	if err == nil {
		var more []string
		more, err = t.client.LRange(ctx, keyPlacements, 0, limit-1).Result()
		lines = append(lines, more...)
	}
	if err != nil {
		return nil, fmt.Errorf("the log of the cluster: %w", err)
	}
	events := make([]dashboard.Event, 0, len(lines))
	for _, line := range lines {
		e, err := dashboard.ReadEvent(line)
		if err != nil {
			return nil, fmt.Errorf("the log of the cluster: %q: %w", line, err)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b dashboard.Event) int { return b.Time.Compare(a.Time) })
	return events, nil
}

// keep renews the lease until ctx ends, and gives each list of members to tell.
// It returns nil then, and [ErrLeaseLost] when the lease is lost.
func (t *Table) keep(
	ctx context.Context, what string, report func() Report,
	tell func(List),
) error {
	tick := time.NewTicker(t.lease / 6)
	defer tick.Stop()
	var kept []dashboard.Event // of visits that failed
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// A process that was stopped, or swapped out, or on a laptop that slept,
		// does not know it. The clock tells: this is the watchdog. Whether anybody
		// has missed it in the meantime, the table tells.
		if gap := time.Since(last); gap > t.lease {
			slog.Warn("this process stood still for longer than its lease",
				"for", gap, "lease", t.lease)
		}
		last = time.Now()
		tells := report()
		kept = append(kept, tells.Events...)
		tells.Events = kept
		list, err := t.visit(ctx, what, tells)
		switch {
		case errors.Is(err, ErrLeaseLost):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			slog.Warn("cannot renew the lease now", "error", err)
			kept = kept[max(0, len(kept)-dashboard.MaxEvents):]
			continue
		}
		kept = nil
		tell(list)
	}
}
