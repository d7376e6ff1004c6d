package rabbitmq

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("PREFETCH", "7")
	t.Setenv("WORKERS", "3")
	s, err := ConsumerSettings([]string{"-prefetch", "9", "-work", "1s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Prefetch != 9 || s.Workers != 3 || s.Work != time.Second || s.Attempts != 5 {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		says string // what the message must tell
	}{
		"no address":      {"-amqp-url=broker", "amqp://user:password@host:port/vhost"},
		"other protocol":  {"-amqp-url=http://localhost/", "AMQP_URL"},
		"bad port":        {"-amqp-url=amqp://localhost:many/", "AMQP_URL"},
		"unknown variant": {"-variant=sloppy", "auto-ack, no-confirms, prefetch-unlimited"},
		"no prefetch":     {"-prefetch=0", "prefetch must be 1 to 65535"},
		"much prefetch":   {"-prefetch=65536", "prefetch must be 1 to 65535"},
		"no workers":      {"-workers=-1", "workers"},
		"no attempts":     {"-attempts=0", "attempts"},
		"negative work":   {"-work=-1s", "work"},
		"not a duration":  {"-work=20", "work"},
		"quick heartbeat": {"-heartbeat=10ms", "heartbeat"},
		"unknown flag":    {"-window=1", "-h lists the flags"},
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
	s.URL = "amqp://guest:hunter2@localhost:many/"
	if err := s.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
