package services

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is a kind of server.
type Kind string

// The kinds of server there are.
const (
	RabbitMQ Kind = "rabbitmq"
	Postgres Kind = "postgres"
	Redis    Kind = "redis"
	Jaeger   Kind = "jaeger"
	Seq      Kind = "seq"
)

// Kinds lists all kinds in the order in which people read them.
func Kinds() []Kind { return []Kind{RabbitMQ, Postgres, Redis, Jaeger, Seq} }

// Variable is the environment variable that names a server of this kind.
func (k Kind) Variable() string { return traits[k].env }

// Need is what a step or a test wants.
type Need struct {
	Kind Kind
	// Count is how many independent servers are wanted; 0 means 1. Only Redis goes above 1.
	Count int
	// Private asks for servers that nobody else uses and that may be broken: environment
	// variables and servers found running are passed over.
	Private bool

	first int // which of the chain's servers of this kind its first one is, from 1
}

// maxCount bounds how many nodes one need may ask for; Redlock's five are the most in use.
const maxCount = 9

// ParseNeed reads the form used in a step's manifest: "rabbitmq", "redis x5".
func ParseNeed(s string) (Need, error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 || len(words) > 2 {
		return Need{}, fmt.Errorf("service %q: write it as \"rabbitmq\" or \"redis x5\"", s)
	}
	need := Need{Kind: Kind(words[0]), Count: 1}
	if len(words) == 2 {
		digits, ok := strings.CutPrefix(words[1], "x")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 1 || n > maxCount {
			return Need{}, fmt.Errorf("service %q: the number of nodes is written x1 to x%d",
				s, maxCount)
		}
		need.Count = n
	}
	return need, need.check()
}

func (n Need) check() error {
	if _, ok := traits[n.Kind]; !ok {
		return fmt.Errorf("unknown service %q: there are %s", n.Kind, kindList())
	}
	if n.Count > 1 && n.Kind != Redis {
		return fmt.Errorf("service %s x%d: only redis comes in several nodes", n.Kind, n.Count)
	}
	if n.Count < 0 || n.Count > maxCount {
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
	if n.count() == 1 {
		return string(n.Kind)
	}
	return fmt.Sprintf("%s x%d", n.Kind, n.Count)
}

func kindList() string {
	var all []string
	for _, k := range Kinds() {
		all = append(all, string(k))
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
