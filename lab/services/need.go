package services

import (
	"fmt"
	"strconv"
	"strings"
)

// Need is what a step or a test wants.
type Need struct {
	Kind Kind
	// Count is how many servers are wanted; 0 means 1. Not every kind goes above 1.
	Count int
	// Durable asks for servers that keep what they have acknowledged when they are killed with -9.
	// Of most kinds every server does; a Redis has to be told.
	Durable bool
	// Private asks for servers that nobody else uses and that may be broken: environment
	// variables and servers found running are passed over.
	Private bool
	// Relayed has the connections between several nodes lead through the lab, which can cut one of them
	// off from the others. Not every kind can.
	Relayed bool

	first int // which of the chain's servers of this kind its first one is, from 1
}

const (
	durable = "durable"
	relayed = "relayed"
)

// maxCount bounds how many nodes one need may ask for; Redlock's five are the most in use.
const maxCount = 9

// ParseNeed reads the form used in a step's manifest: "rabbitmq", "redis x5", "redis durable".
func ParseNeed(s string) (Need, error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 || len(words) > 3 {
		return Need{}, fmt.Errorf(
			"service %q: write it as \"rabbitmq\", \"redis x5\" or \"redis durable x5\"", s)
	}
	need := Need{Kind: Kind(words[0])}
	for _, word := range words[1:] {
		if word == durable && !need.Durable {
			need.Durable = true
			continue
		}
		if word == relayed && !need.Relayed {
			need.Relayed = true
			continue
		}
		digits, ok := strings.CutPrefix(word, "x")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 1 || n > maxCount || need.Count != 0 {
			return Need{}, fmt.Errorf("service %q: behind the kind it may say %s, and how many "+
				"nodes, x1 to x%d", s, durable, maxCount)
		}
		need.Count = n
	}
	need.Count = need.count()
	return need, need.check()
}

func (n Need) check() error {
	t, ok := traits[n.Kind]
	switch {
	case !ok:
		return fmt.Errorf("unknown service %q: there are %s",
			n.Kind, list(func(trait) bool { return true }))
	case n.Count > 1 && !t.several:
		return fmt.Errorf("service %s x%d: there are several nodes only of %s",
			n.Kind, n.Count, list(func(t trait) bool { return t.several }))
	case n.Durable && t.durable == nil:
		return fmt.Errorf("service %s %s: only %s has to be asked for that", n.Kind, durable,
			list(func(t trait) bool { return t.durable != nil }))
	case n.Relayed && (n.count() == 1 || !t.relays()):
		return fmt.Errorf("service %s: only between several nodes of %s can there be relays: %s x3 %s",
			n, list(trait.relays), list(trait.relays), relayed)
	case n.Count < 0 || n.Count > maxCount:
		return fmt.Errorf("service %s: %d nodes, want 1 to %d", n.Kind, n.Count, maxCount)
	}
	return nil
}

func (n Need) count() int { return max(n.Count, 1) }

// at is the need as its i-th server sees it, counted from 0.
func (n Need) at(i int) Need {
	n.first = max(n.first, 1) + i
	return n
}

// name is that of the need's first server: "redis" when it is alone, else "redis-1", "redis-2".
func (n Need) name() string {
	if n.first <= 1 && n.count() == 1 {
		return string(n.Kind)
	}
	return fmt.Sprintf("%s-%d", n.Kind, max(n.first, 1))
}

// String is the form that [ParseNeed] reads.
func (n Need) String() string {
	text := string(n.Kind)
	if n.Durable {
		text += " " + durable
	}
	if n.count() > 1 {
		text += fmt.Sprintf(" x%d", n.Count)
	}
	if n.Relayed {
		text += " " + relayed
	}
	return text
}

// list names the kinds of which something holds: "rabbitmq, postgres and redis".
func list(holds func(trait) bool) string {
	var all []string
	for _, k := range kinds {
		if holds(traits[k]) {
			all = append(all, string(k))
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
