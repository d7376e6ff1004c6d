package mediator

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// variants are what a wrong way changes in the right one.
var variants = map[string]func(*Mediator){
	"":                    func(*Mediator) {},
	"right":               func(*Mediator) {},
	"parallel":            inParallel,
	"stop-at-first-error": stopAtFirstError,
	"no-recover":          noRecover,
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// inParallel is not wrong: it is the other strategy, under a name that the lab
// knows.
func inParallel(m *Mediator) { m.strategy = Parallel }

// stopAtFirstError ends with the first handler that fails, as every loop with
// "if err != nil { return err }" in it does. It looks careful.
//
// What goes wrong: the handlers do not need each other. An e-mail that bounces
// keeps the inventory from hearing of the order: nothing is taken from the stock,
// and the customer gets an error for goods that are on the shelf. In what order
// the two have subscribed, which is nobody's business, decides who hears of what.
// Experiment: orders to nobody@bounce.test.
func stopAtFirstError(m *Mediator) { m.strategy = untilFirstError }

func untilFirstError(ctx context.Context, n int, tell Tell) []error {
	outcomes := slices.Repeat([]error{ErrNotTold}, n)
	for i := range outcomes {
		if outcomes[i] = tell(ctx, i); outcomes[i] != nil {
			break
		}
	}
	return outcomes
}

// noRecover lets a panic take its way. Each handler is a goroutine of its own
// here, one "go" away from the request, and nobody thinks of it any more.
//
// What goes wrong: net/http recovers the panics of the goroutine in which it
// serves a request, and of no other. In sequence one customer gets no answer; in
// parallel the whole process ends, and every order in progress with it. Experiment:
// one order to nobody@crash.test.
func noRecover(m *Mediator) {
	m.catch = func(*error) {}
	m.strategy = Parallel
}
