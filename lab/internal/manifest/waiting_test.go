package manifest

import (
	"strings"
	"testing"
	"time"
)

const waitingStep = `title: x
needs: [rabbitmq, postgres]
processes:
  - name: shop
    http: true
  - name: consumer
waiting:
  queues: [orders]
  sql: SELECT count(*) FROM outbox
  health: {shop: [depth, in_progress]}
audit:
  url: '{{url "shop"}}/audit'
experiments:
  - name: calm
    load: {count: 1}
    promises: {lost: 0}
  - name: retries
    load: {count: 1}
    settle: 4s
    promises: {lost: 0}
`

// Where somebody can be asked what waits, the quiet may be short.
func TestHowARunEnds(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, waitingStep))
	if err != nil {
		t.Fatal(err)
	}
	short, long := step.Experiments[0], step.Experiments[1]
	if short.Settle.Std() != 500*time.Millisecond || long.Settle.Std() != 4*time.Second ||
		short.Limit.Std() != 10*time.Second {
		t.Errorf("settle %v and %v, limit %v", short.Settle, long.Settle, short.Limit)
	}
	step, err = Read(write(t, "settle: 3s\n"+waitingStep))
	if err != nil || step.Experiments[0].Settle.Std() != 3*time.Second {
		t.Errorf("the step says 3s: %v, %v", step.Experiments[0].Settle, err)
	}
}

func TestMistakesInHowARunEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"no broker", "needs: [rabbitmq, postgres]", "needs: [postgres]", "does not need rabbitmq"},
		{"no database", "needs: [rabbitmq, postgres]", "needs: [rabbitmq]", "does not need postgres"},
		{"nobody serves", "health: {shop:", "health: {consumer:", "consumer: want a process"},
		{"nothing to add up", "[depth, in_progress]", "[]", "shop: want a process"},
		{"whom", "  queues: [orders]\n  sql: SELECT count(*) FROM outbox\n" +
			"  health: {shop: [depth, in_progress]}\n", "  queues: []\n", "who is to be asked"},
		{"settle", "title: x\n", "title: x\nsettle: -1s\n", "cannot be negative"},
		{"two books", "audit:\n", "audit:\n  command: [./audit]\n", "either a command or a url"},
		{"no book", "  url: '{{url \"shop\"}}/audit'\n", "  command: []\n", "either a command or a url"},
		{"nobody's page", "title: x\n", "title: x\nhints: ['see {{url \"clerk\"}}']\n", "serves http"},
		{"nobody's book", `{{url "shop"}}/audit`, `{{url "clerk"}}/audit`, "serves http"},
	} {
		_, err := Read(write(t, strings.Replace(waitingStep, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got: %v", c.name, c.want, err)
		}
	}
}
