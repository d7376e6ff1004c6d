// Command operator does what people do by hand: it edits desired.yaml, or goes past it.
//
//	operator edit version v2          one field of desired.yaml
//	operator break                    a slip of the pen in desired.yaml; mend takes it back
//	operator kill producer            kill -9 of a replica
//	operator start consumer v1        one replica more
//	operator switch discount on       a feature flag
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	deployment "course.example/15-deployment"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	if len(os.Args) < 4 {
		return &shop.UsageError{Problem: "want: operator SHOP-URL DESIRED-FILE WHAT …, where WHAT is " +
			"edit FIELD VALUE, break, mend, kill PROGRAM, start PROGRAM VERSION or switch FLAG on|off"}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	door, file, what := os.Args[1], os.Args[2], strings.Join(os.Args[3:], " ")
	words := append(os.Args[4:], "", "")
	switch os.Args[3] {
	case "edit":
		return edit(file, func(text string) (string, error) {
			return deployment.Edit(text, words[0], words[1])
		})
	case "break":
		return edit(file, func(text string) (string, error) { return text + slip, nil })
	case "mend":
		return edit(file, func(text string) (string, error) { return strings.TrimSuffix(text, slip), nil })
	case "kill":
		return kill(ctx, door, words[0])
	case "start":
		return post(ctx, door+"/start", url.Values{"program": words[:1], "version": words[1:2]})
	case "switch":
		on := []string{fmt.Sprint(words[1] == "on")}
		return post(ctx, door+"/switch", url.Values{"flag": words[:1], "on": on})
	}
	return &shop.UsageError{Problem: fmt.Sprintf("%q is unknown: edit, break, mend, kill, start, switch", what)}
}

const slip = "replicas: {\n"

// edit replaces the file, as many editors do.
func edit(file string, change func(string) (string, error)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := change(string(text))
	if err != nil {
		return err
	}
	return deployment.ReplaceFile(file, changed)
}

// kill ends the oldest replica of a program. Nobody tells the deployer.
func kill(ctx context.Context, door, program string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, door+"/replicas", nil)
	if err != nil {
		return err
	}
	text, err := do(q)
	if err != nil {
		return err
	}
	var replicas []deployment.Replica
	if err := json.Unmarshal(text, &replicas); err != nil {
		return fmt.Errorf("read the replicas: %w", err)
	}
	for _, r := range replicas {
		if r.Program != program {
			continue
		}
		process, err := os.FindProcess(r.Pid)
		if err != nil {
			return err
		}
		return process.Kill()
	}
	return fmt.Errorf("no %s runs", program)
}

func post(ctx context.Context, address string, form url.Values) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"?"+form.Encode(), nil)
	if err != nil {
		return err
	}
	_, err = do(q)
	return err
}

func do(q *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return text, err
}
