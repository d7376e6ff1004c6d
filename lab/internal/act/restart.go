package act

import "context"

var _ = add(Act{
	Name: "restart", Words: "WHO", Like: "restart rabbitmq",
	Help:  "stop, and start as soon as it has ended",
	Fault: true,
	Keys: []Key{{
		Keys: []string{"r"}, Act: "restart SERVER", Short: "restart SERVER",
		Help: "restart SERVER",
	}},
	Check: checkWho,
	Suits: works,
	Do: toEach(func(t Target, ctx context.Context) error {
		if err := t.Stop(ctx); err != nil {
			return err
		}
		return t.Start(ctx)
	}),
})
