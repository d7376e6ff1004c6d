package channels

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsFlagWinsOverEnvironment(t *testing.T) {
	for variable, value := range map[string]string{
		"ADDR": ":1", "VARIANT": "block", "QUEUE": "7", "WORKERS": "3", "WORK": "3s", "DRAIN": "4s",
	} {
		t.Setenv(variable, value)
	}
	for _, c := range []struct {
		args []string
		want Settings
	}{
		{nil, Settings{":1", "block", 7, 3, 3 * time.Second, 4 * time.Second}},
		{
			[]string{"-addr=:2", "-variant=right", "-queue=9", "-workers=4", "-work=1s", "-drain=2s"},
			Settings{":2", "right", 9, 4, time.Second, 2 * time.Second},
		},
		// The least and the most that there can be.
		{[]string{"-queue=1", "-workers=1", "-work=0", "-drain=0"}, Settings{":1", "block", 1, 1, 0, 0}},
		{
			[]string{"-queue=1000000", "-workers=10000"},
			Settings{":1", "block", 1_000_000, 10_000, 3 * time.Second, 4 * time.Second},
		},
	} {
		if got, err := ParseSettings(c.args); got != c.want || err != nil {
			t.Errorf("%q: got %+v, %v", c.args, got, err)
		}
	}
}

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"-variant=sloppy": "there are: block, no-drain, right, unbounded",
		"-queue=0":        "queue must be 1 to 1000000, is 0",
		"-queue=99999999": "queue must be 1 to 1000000",
		"-queue=many":     "queue",
		"-queue=1000001":  "queue must be 1 to 1000000",
		"-workers=0":      "workers must be 1 to 10000, is 0",
		"-workers=10001":  "workers must be 1 to 10000",
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
