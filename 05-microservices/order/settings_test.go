package order

import (
	"errors"
	"strings"
	"testing"

	"course.example/shop"
)

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-variant hope":          "no-breaker, no-timeout, retry-storm, retry-without-key, right",
		"-transport pigeon":      "http or grpc",
		"-payment-url localhost": "http://host:port",
		"-tries 0":               "tries must be 1 to",
		"-deadline 0s":           "deadline must be at least",
		"-bulkhead many":         "bulkhead",
		"now":                    "unexpected argument",
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

func TestSettingsFromTheEnvironment(t *testing.T) {
	t.Setenv("TRANSPORT", "grpc")
	t.Setenv("TRY_TIMEOUT", "123ms")
	s, err := ParseSettings([]string{"-transport", "http"})
	if err != nil || s.Transport != "http" || s.TryTimeout.String() != "123ms" {
		t.Errorf("%+v, %v", s, err)
	}
}
