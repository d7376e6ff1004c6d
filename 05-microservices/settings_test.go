package microservices

import (
	"errors"
	"strings"
	"testing"

	"course.example/shop"
)

func TestBadSettings(t *testing.T) {
	t.Parallel()
	parse := map[string]func([]string) (Settings, error){
		"order": OrderSettings, "payment": PaymentSettings, "gateway": GatewaySettings,
	}
	for _, c := range []struct{ program, args, want string }{
		{"order", "-variant hope", "no-breaker, no-timeout, retry-storm, retry-without-key, right"},
		{"order", "-transport pigeon", "http or grpc"},
		{"order", "-payment-url localhost", "http://host:port"},
		{"order", "-tries 0", "tries must be 1 to"},
		{"order", "-deadline 0s", "deadline must be at least"},
		{"order", "-bulkhead many", "bulkhead"},
		{"payment", "-fail 1.5", "fail must be 0 to 1"},
		{"payment", "-slow -1s", "slow must not be negative"},
		{"payment", "-keys 0", "keys must be 1 to"},
		{"payment", "-variant no-breaker", "payment -h lists the flags"},
		{"gateway", "-balance dice", "least-connections, round-robin"},
		{"gateway", "-payment-urls http://a:1,,http://b:2", "no address"},
		{"gateway", "now", "unexpected argument"},
	} {
		_, err := parse[c.program](strings.Fields(c.args))
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: want a usage error with %q, got: %v", c.program, c.args, c.want, err)
		}
	}
	for program, parse := range parse {
		if _, err := parse(nil); err != nil {
			t.Errorf("%s without flags: %v", program, err)
		}
	}
}

func TestSettingsFromTheEnvironment(t *testing.T) {
	t.Setenv("TRANSPORT", "grpc")
	t.Setenv("TRY_TIMEOUT", "123ms")
	s, err := OrderSettings([]string{"-transport", "http"})
	if err != nil || s.Transport != "http" || s.TryTimeout.String() != "123ms" {
		t.Errorf("%+v, %v", s, err)
	}
}
