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

func TestWithEnvChangesACopy(t *testing.T) {
	t.Parallel()
	step, err := readScore(t, "score: {scaled: [worker, shipper]}\n")
	if err != nil {
		t.Fatal(err)
	}
	counted := step.Scoring().Counted()
	changed := step.WithEnv(map[string]string{"WORKERS": "1"}, counted...)
	for _, p := range changed.Processes {
		if want := p.Name != "web"; (p.Env["WORKERS"] == "1") != want {
			t.Errorf("%s has %v", p.Name, p.Env)
		}
	}
	for _, p := range step.Processes {
		if len(p.Env) > 0 {
			t.Errorf("the step itself was changed: %s has %v", p.Name, p.Env)
		}
	}
	if c := (Score{Consumer: "worker"}).Counted(); len(c) != 1 || c[0] != "worker" {
		t.Errorf("counted are %v", c)
	}
}

func TestScoreSlips(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"score: {consumer: wrker}":              `score: there is no process "wrker"`,
		"score: {single: {gateway: none}}":      "score: single: ",
		`score: {single: {worker: ""}}`:         "score: single: worker: why is there no second?",
		"score: {scaled: [wrker]}":              `score: there is no process "wrker"`,
		"score: {open: -1}":                     "score: open",
		"score: {middle: postgres}":             "score: middle:",
		"score: {workers: W, unscaled: never}":  "score: workers says",
		`score: {env: {U: '{{url "nobody"}}'}}`: "score: env: U",
		"score: {consumers: worker}":            "consumers",
		"score: {backlog: {}}":                  "score: backlog: want either",
		"score: {backlog: {sql: [SELECT 1]}}":   "score: backlog: the step does not need postgres",
	} {
		if _, err := readScore(t, section+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", section, err, want)
		}
	}
}
