package deployment

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A feature flag parts two decisions: code is deployed, and switched on later, under load, by whoever
// edits desired.yaml. The door looks at it once for each order, and sends what it saw along. So all
// that happens to an order sees the same, and all customers see the change in one instant.
const (
	// Discount takes a tenth off every order.
	Discount = "discount"

	// flagsHeader has the flags that are on for an order: of the request, what the door has decided;
	// of the answer, what was heeded.
	flagsHeader = "Shop-Flags"
)

var knownFlags = []string{Discount}

func checkFlag(name string) error {
	if !slices.Contains(knownFlags, name) {
		return usagef("there is no flag %q; there are: %s", name, strings.Join(knownFlags, ", "))
	}
	return nil
}

// flagsOn names the flags that are on.
func flagsOn(flags map[string]bool) string {
	var on []string
	for _, flag := range knownFlags {
		if flags[flag] {
			on = append(on, flag)
		}
	}
	return strings.Join(on, ",")
}

type flagsKey struct{}

// isOn says whether a flag is on for the order of ctx, and the release has the code for it.
func (r Release) isOn(ctx context.Context, flag string) bool {
	on, _ := ctx.Value(flagsKey{}).(string)
	return slices.Contains(r.flags, flag) && slices.Contains(strings.Split(on, ","), flag)
}

// WithFlags lets those who take the orders of a request know which flags are on for them.
func WithFlags(s Settings, r Release, next http.Handler) http.Handler {
	if wrong := variants[s.Variant]; wrong.flags != nil {
		return withFlags(wrong.flags, r, next)
	}
	return withFlags(func(q *http.Request) string { return q.Header.Get(flagsHeader) }, r, next)
}

func withFlags(read func(*http.Request) string, r Release, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		ctx := context.WithValue(q.Context(), flagsKey{}, read(q))
		if r.isOn(ctx, Discount) {
			w.Header().Set(flagsHeader, Discount)
		}
		next.ServeHTTP(w, q.WithContext(ctx))
	})
}

// Switch switches flags for all orders that come from now on.
func (d *Door) Switch(flags map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flags = maps.Clone(flags)
}

// Flags are those that are on or off now.
func (d *Door) Flags() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	flags := map[string]bool{}
	maps.Copy(flags, d.flags)
	return flags
}

// Flips is how often customers have seen the flags change.
func (d *Door) Flips() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flips
}

// noteFlags counts how often what customers see changes to and fro.
func (d *Door) noteFlags(r *http.Response) {
	if r.StatusCode >= 300 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := r.Header.Get(flagsHeader); now != d.shown {
		d.shown = now
		d.flips++
		slog.Info("customers see other flags", "on", now, "flips", d.flips)
	}
}
