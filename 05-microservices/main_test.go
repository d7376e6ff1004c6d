package microservices_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

// Nothing that a test has started may outlive the tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}
