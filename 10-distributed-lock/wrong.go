package lock

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// variants are the wrong ways, each a change to the right [Locker].
var variants = map[string]func(*Locker){
	"":             nil,
	"right":        nil,
	"no-expiry":    noExpiry,
	"delete-any":   deleteAny,
	"no-extension": noExtension,
	"no-fencing":   noFencing,
	// Nothing is wrong with these programs. Their nodes are started without a log of their writes,
	// and have forgotten every lock when they come back from a kill: two holders. Experiment: kill a
	// node and start it at once.
	"volatile-nodes": nil,
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// noExpiry sets keys that never go away by themselves: a year is as good as never.
//
// What goes wrong: the holder is killed, and with it the only one who would have
// deleted the key. Everybody waits forever. Experiment: kill a holder.
func noExpiry(l *Locker) { l.expiry = 365 * 24 * time.Hour }

// deleteAny releases with a plain DEL. It looks like the natural opposite of SET.
//
// What goes wrong: a holder whose lock has expired meanwhile deletes the key of the
// next one, and lets a third in. Experiment: pause a holder past its expiry.
func deleteAny(l *Locker) {
	l.release = func(ctx context.Context, key string, _ grant) error {
		l.nodes.ask(ctx, "DEL", key)
		return nil
	}
}

// noExtension chooses an expiry once, and hopes that no work takes longer.
//
// What goes wrong: work takes longer. The key is gone, the next one comes in, and
// the first does not know. Experiment: work of two and a half times the expiry.
func noExtension(l *Locker) { l.renew = false }

// noFencing believes the lock: whoever had it when he last looked may write.
//
// What goes wrong: a holder stands still between that look and the write, for
// longer than the expiry. The next one bills, and then the first wakes up and bills
// again. Nothing that Redis does can prevent it. Experiment: pause a holder.
func noFencing(l *Locker) { l.sequencer = nil }
