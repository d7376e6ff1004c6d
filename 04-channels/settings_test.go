package channels

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("QUEUE", "7")
	t.Setenv("WORKERS", "3")
	s, err := ParseSettings([]string{"-queue", "9", "-work", "1s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Queue != 9 || s.Workers != 3 || s.Work != time.Second || s.Drain != 5*time.Second {
		t.Errorf("got %+v", s)
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"-variant=sloppy": "there are: block, no-drain, right, unbounded",
		"-queue=0":        "queue must be 1 to 1000000, is 0",
		"-queue=99999999": "queue must be 1 to 1000000",
		"-queue=many":     "queue",
		"-workers=0":      "workers must be 1 to 10000, is 0",
		"-work=-1s":       "work and drain must not be negative",
		"-drain=-1s":      "work and drain must not be negative",
		"-work=20":        "work",
		"-speed=1":        "-h lists the flags",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSettings([]string{args})
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), says) {
				t.Errorf("error %v, want a usage error that says %q", err, says)
			}
		})
	}
}
