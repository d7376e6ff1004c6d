package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readScore(t *testing.T, score string) (*Step, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "42-some")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := `title: some step
needs: [rabbitmq]
processes:
  - {name: web, http: true}
  - {name: worker, in-flight: 3, count: 2}
  - {name: shipper}
` + score
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(dir)
}

func TestScoreDefaults(t *testing.T) {
	t.Parallel()
	step, err := readScore(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if step.Score != nil {
		t.Error("a step that says nothing of its score is scored all the same")
	}
	score := step.Scoring()
	if score.Producer != "web" || score.Consumer != "worker" || score.Middle != "rabbitmq" {
		t.Errorf("defaults are %+v", score)
	}
	step, err = readScore(t, "score: {consumer: shipper, middle: every worker}\n")
	if err != nil {
		t.Fatal(err)
	}
	score = step.Scoring()
	if score.Consumer != "shipper" || score.Middle != "every worker" {
		t.Errorf("what the manifest says is lost: %+v", score)
	}
}

func TestScoreSlips(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"score: {consumer: wrker}":              `score: there is no process "wrker"`,
		"score: {single: [gateway]}":            `score: there is no process "gateway"`,
		"score: {middle: postgres}":             "score: middle:",
		"score: {workers: W, unscaled: never}":  "score: workers says",
		`score: {env: {U: '{{url "nobody"}}'}}`: "score: env: U",
		"score: {consumers: worker}":            "consumers",
	} {
		if _, err := readScore(t, section+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", section, err, want)
		}
	}
}
