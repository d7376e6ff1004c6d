package outbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("BATCH", "7")
	t.Setenv("WORKERS", "3")
	t.Setenv("PROCESS", "consumer-2")
	s, err := ConsumerSettings([]string{"-batch", "9", "-work", "1s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Batch != 9 || s.Workers != 3 || s.Work != time.Second || s.Name != "consumer-2" {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		says string // what the message must tell
	}{
		"no address":      {"-database-url=nowhere", "postgres://user:password@host:port/database"},
		"bad port":        {"-database-url=postgres://localhost:many/", "DATABASE_URL"},
		"unknown variant": {"-variant=sloppy", "dual-write, mark-before-work, naive"},
		"unknown way":     {"-take=all", "naive, optimistic, row-lock, skip-locked"},
		"unknown wait":    {"-wait=sleep", "notify or poll"},
		"no batch":        {"-batch=0", "batch must be 1 to 10000"},
		"no workers":      {"-workers=-1", "workers"},
		"no attempts":     {"-attempts=0", "attempts"},
		"no window":       {"-window=0", "window"},
		"no connections":  {"-connections=0", "connections"},
		"negative work":   {"-work=-1s", "work"},
		"not a duration":  {"-work=20", "work"},
		"no poll":         {"-poll=0s", "poll"},
		"long lease":      {"-lease=48h", "lease"},
		"work > lease":    {"-work=10s", "choose a longer lease"},
		"crash nowhere":   {"-crash-at=home", "after-order"},
		"crash never":     {"-crash-at=after-order:0", "after-order"},
		"unknown flag":    {"-prefetch=1", "-h lists the flags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ConsumerSettings([]string{c.args})
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want a usage error that says %q", err, c.says)
			}
		})
	}
}

func TestErrorsDoNotShowThePassword(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.URL = "postgres://shop:hunter2@localhost:many/"
	if err := s.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
