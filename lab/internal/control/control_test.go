package control_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"course.example/lab/internal/control"
	"course.example/lab/internal/home"
)

func serve(t *testing.T, do func(context.Context, string) (string, error)) home.Record {
	t.Helper()
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	wait, err := control.Serve(ctx, run, "07-rabbitmq", do)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := errors.Join(wait(), run.Close()); err != nil {
			t.Error(err)
		}
	})
	return run.Record()
}

func TestDo(t *testing.T) {
	var got []string
	record := serve(t, func(_ context.Context, act string) (string, error) {
		got = append(got, act)
		if act == "dance" {
			return "", errors.New("the lab does not dance")
		}
		return "did " + act, nil
	})
	if done, err := control.Do(t.Context(), record, "burst 5"); err != nil || done != "did burst 5" {
		t.Fatalf("got %q, %v", done, err)
	}
	_, err := control.Do(t.Context(), record, "dance")
	if err == nil || err.Error() != "the lab does not dance" {
		t.Errorf("got %v", err)
	}
	if strings.Join(got, ", ") != "burst 5, dance" {
		t.Errorf("done: %q", got)
	}
	if record.Step != "07-rabbitmq" || record.Token == "" {
		t.Errorf("record: %+v", record)
	}
}

// Another user of the machine can reach the port, and must not command the run.
func TestStrangersAreSentAway(t *testing.T) {
	record := serve(t, func(context.Context, string) (string, error) {
		t.Error("a stranger was obeyed")
		return "", nil
	})
	stranger := record
	stranger.Token = "guess"
	_, err := control.Do(t.Context(), stranger, "kill producer")
	if err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+record.Control+"/do", strings.NewReader("kill producer"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a token: %s", resp.Status)
	}
}

func TestRunThatIsGone(t *testing.T) {
	record := home.Record{ID: "gone", Control: "127.0.0.1:1"}
	_, err := control.Do(t.Context(), record, "burst 1")
	if err == nil || !strings.Contains(err.Error(), "reach the run gone") {
		t.Errorf("got %v", err)
	}
}
