package main

import (
	"context"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/experiment"
	"course.example/lab/internal/manifest"
)

// The command that is printed carries out what was carried out, and reads as it was typed.
func TestAgainIsTheSameRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ step, number, args, want string }{
		{"07-rabbitmq", "07", "7", "go run ./lab break 07 -seed 5"},
		{"12-actors/mailbox", "12", "12/mailbox", "go run ./lab break 12/mailbox -seed 5"},
		{
			"07-rabbitmq", "07", "7 -only kill-broker,calm -v",
			"go run ./lab break 07 -seed 5 -only kill-broker,calm",
		},
		{
			"07-rabbitmq", "07", "-for 90s -rate 12.5 -json x 07",
			"go run ./lab break 07 -seed 5 -for 1m30s -rate 12.5",
		},
	} {
		got := ""
		cmd := breakCommand()
		cmd.Action = func(_ context.Context, cmd *cli.Command) error {
			got = again(cmd, &manifest.Step{Name: c.step, Number: c.number}, 5)
			return nil
		}
		if err := cmd.Run(t.Context(), append([]string{"break"}, strings.Fields(c.args)...)); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// What this system cannot run is no failure beside what held; alone it has shown nothing.
func TestNothingRunIsNothingHeld(t *testing.T) {
	t.Parallel()
	held := experiment.Result{Checks: []experiment.Check{{Held: true}}}
	notRun := experiment.Result{NotRun: "no SIGSTOP"}
	broken := experiment.Result{Checks: []experiment.Check{{}}}
	for _, c := range []struct {
		results []experiment.Result
		want    bool
	}{
		{[]experiment.Result{held}, true}, {[]experiment.Result{held, notRun}, true},
		{[]experiment.Result{notRun}, false}, {nil, false},
		{[]experiment.Result{held, broken}, false},
	} {
		if got := allHeld(c.results); got != c.want {
			t.Errorf("%+v: %v", c.results, got)
		}
	}
}
