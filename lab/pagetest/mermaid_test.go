package pagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark/ast"
)

const (
	mermaidScript = "mermaid/parse.mjs"
	mermaidSums   = "mermaid.sum" // of each block that Mermaid has parsed
	recordMermaid = "go test ./lab/pagetest -run TestMermaid -update"
)

// mermaidPackages are what parses: npm installs them into .lab.
var mermaidPackages = []string{"mermaid@11.17.2", "jsdom@29.1.1"}

// Every diagram parses. Mermaid is a program for node, and node is not everywhere: so the sum of each
// block that Mermaid has parsed is recorded, and a block without one fails the test. The command
//
//	go test ./lab/pagetest -run TestMermaid -update
//
// parses all blocks and records them. It needs npm, and says what is wrong with a block.
func TestMermaid(t *testing.T) {
	blocks := mermaidBlocks(t)
	if *update {
		recordBlocks(t, blocks)
	}
	for at, why := range notParsed(t, blocks) {
		t.Errorf("%s: %s", at, why)
	}
}

// A block that was changed and is not recorded is found; so is one that Mermaid cannot read.
func TestMermaidIsStrict(t *testing.T) {
	broken := map[string]string{"a page": "flowchart LR\n  a -. step 2.1 .-> b\n"}
	if len(notParsed(t, broken)) != 1 {
		t.Error("a block that nobody has parsed passes")
	}
	if _, err := os.Stat(mermaidHome(t)); err == nil && parseMermaid(t, broken)["a page"] == "" {
		t.Error("a dot in the label of a dotted edge passes")
	}
}

// mermaidBlocks are the diagrams of all pages, by their places.
func mermaidBlocks(t *testing.T) map[string]string {
	t.Helper()
	blocks := map[string]string{}
	for _, p := range readPages(t) {
		p.walk(t, func(n ast.Node) {
			if code, ok := n.(*ast.FencedCodeBlock); ok && string(code.Language(p.text)) == "mermaid" {
				blocks[p.at(code)] = string(code.Lines().Value(p.text))
			}
		})
	}
	if len(blocks) == 0 {
		t.Fatal("the pages have no diagrams")
	}
	return blocks
}

// notParsed are the blocks that are not recorded, and why.
func notParsed(t *testing.T, blocks map[string]string) map[string]string {
	t.Helper()
	sums, err := os.ReadFile(mermaidSums)
	if err != nil {
		t.Fatal(err)
	}
	wrong := map[string]string{}
	for at, block := range blocks {
		if !bytes.Contains(sums, []byte(mermaidSum(block))) {
			wrong[at] = "this diagram has changed and was not parsed since: " + recordMermaid
		}
	}
	return wrong
}

func mermaidSum(block string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(block))) }

// recordBlocks writes down that all blocks parse, if they do.
func recordBlocks(t *testing.T, blocks map[string]string) {
	t.Helper()
	installMermaid(t)
	failed := false
	for at, why := range parseMermaid(t, blocks) {
		if why != "" {
			failed = true
			t.Errorf("%s: Mermaid cannot read this diagram: %s", at, why)
		}
	}
	if failed {
		t.Fatal("nothing is recorded. Labels with dots or brackets must stand in quotes")
	}
	var lines []string
	for at, block := range blocks {
		name, _, _ := strings.Cut(at, ":")
		lines = append(lines, mermaidSum(block)+"  "+name+"\n")
	}
	slices.Sort(lines)
	sums := strings.Join(slices.Compact(lines), "")
	if err := os.WriteFile(mermaidSums, []byte(sums), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mermaidHome is where npm has put Mermaid.
func mermaidHome(t *testing.T) string { return filepath.Join(repository(t), ".lab", "mermaid") }

func installMermaid(t *testing.T) {
	t.Helper()
	home := mermaidHome(t)
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"install", "--no-save", "--no-audit", "--no-fund"}, mermaidPackages...)
	if out, err := tool(t, home, nil, "npm", args...); err != nil {
		t.Fatalf("npm has not installed Mermaid (this needs node and npm): %v\n%s", err, out)
	}
}

// parseMermaid has Mermaid read the blocks, and returns what is wrong with each: "" if nothing is.
func parseMermaid(t *testing.T, blocks map[string]string) map[string]string {
	t.Helper()
	script, err := os.ReadFile(mermaidScript)
	if err != nil {
		t.Fatal(err)
	}
	places := slices.Sorted(maps.Keys(blocks))
	var texts []string
	for _, at := range places {
		texts = append(texts, blocks[at])
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tool(t, mermaidHome(t), in, "node", "--input-type=module", "--eval", string(script))
	if err != nil {
		t.Fatalf("parse with Mermaid: %v\n%s", err, out)
	}
	var wrong []string
	if err := json.Unmarshal(out, &wrong); err != nil || len(wrong) != len(places) {
		t.Fatalf("Mermaid has answered for %d of %d diagrams (%v): %s", len(wrong), len(places), err, out)
	}
	all := map[string]string{}
	for i, at := range places {
		all[at] = wrong[i]
	}
	return all
}

// tool runs a program that is not Go's in a folder, and returns what it prints.
func tool(t *testing.T, dir string, in []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(in)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		out = append(out, exit.Stderr...)
	}
	return out, err
}
