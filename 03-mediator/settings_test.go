package mediator

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("WORK", "7s")
	t.Setenv("STRATEGY", "parallel")
	s, err := ReadSettings([]string{"-work", "9s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Work != 9*time.Second || s.InventoryWork != 9*time.Second || s.Strategy != "parallel" {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		says string // what the message must tell
	}{
		"unknown variant":  {"-variant=sloppy", "no-recover, parallel, right, stop-at-first-error"},
		"unknown strategy": {"-strategy=both", "sequence or parallel"},
		"negative work":    {"-work=-1s", "work must not be negative"},
		"negative timeout": {"-handler-timeout=-1s", "handler-timeout must not be negative"},
		"not a duration":   {"-work=20", "work"},
		"unknown flag":     {"-workers=1", "-h lists the flags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadSettings([]string{c.args})
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want a usage error that says %q", err, c.says)
			}
		})
	}
}
