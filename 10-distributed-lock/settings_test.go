package lock

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("EXPIRY", "7s")
	t.Setenv("NODES", "3")
	t.Setenv("REDIS_URL", DefaultSettings().Redis) // the tests may have one node alone
	s, err := BillerSettings("consumer", []string{"-expiry", "9s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Expiry != 9*time.Second || len(s.addresses()) != 3 || !s.Fencing {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		says string // what the message must tell
	}{
		"other protocol":  {"-redis-url=http://localhost/", "redis://host:port/number"},
		"one bad of two":  {"-redis-url=redis://localhost:1/0,redis", "REDIS_URL"},
		"one node twice":  {"-redis-url=redis://a:1/0,redis://a:1/1", "a:1 twice"},
		"no such redlock": {"-redlock=fast", "by-hand or redsync"},
		"acks by redsync": {"-acks=1 -redlock=redsync", "Redlock by hand"},
		"no pair's name":  {"-sentinel-url=redis-sentinel://a:1", "redis-sentinel://host:port#"},
		"too many nodes":  {"-redis-url=redis://a:1,redis://b:2 -nodes=3", "nodes must be 0 (all) to 2"},
		"no account":      {"-account-url=8090", "ACCOUNT_URL"},
		"unknown variant": {"-variant=sloppy", "delete-any, no-expiry, no-extension, no-fencing"},
		"short expiry":    {"-expiry=1ms", "expiry must be 100ms to 1h"},
		"negative wait":   {"-wait=-1s", "wait"},
		"no retry pause":  {"-retry=0s", "retry"},
		"negative gap":    {"-gap=-1s", "gap"},
		"no workers":      {"-workers=0", "workers must be 1 to 1000"},
		"not a duration":  {"-work=20", "work"},
		"unknown flag":    {"-window=1", "-h lists the flags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := BillerSettings("consumer", strings.Fields(c.args))
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want a usage error that says %q", err, c.says)
			}
		})
	}
}
