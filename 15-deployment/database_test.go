package deployment

import (
	"log/slog"
	"os"
	"testing"

	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) {
	if os.Getenv("LOG") == "" { // LOG=1 shows what the code under test logs
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	servicestest.Main(m)
}
