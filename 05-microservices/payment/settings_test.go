package payment

import (
	"errors"
	"strings"
	"testing"

	"course.example/shop"
)

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-fail 1.5":           "fail must be 0 to 1",
		"-slow -1s":           "slow must not be negative",
		"-key-ttl 0s":         "key-ttl must be at least",
		"-keys 0":             "keys must be 1 to",
		"-variant no-breaker": "payment -h lists the flags",
	} {
		_, err := ParseSettings(strings.Fields(args))
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want a usage error with %q, got: %v", args, want, err)
		}
	}
	if s, err := ParseSettings(nil); err != nil || s != DefaultSettings() {
		t.Errorf("without flags: %+v, %v", s, err)
	}
}
