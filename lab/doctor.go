package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
	"course.example/lab/services"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "what this machine has, what it lacks, and the command that mends it",
		Action: func(ctx context.Context, _ *cli.Command) (err error) {
			run, err := home.Open("doctor")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			chain, err := services.NewChain(run, services.Options{})
			if err != nil {
				return err
			}
			defer func() {
				err = errors.Join(err, chain.Close(context.WithoutCancel(ctx)))
			}()
			return examine(ctx, chain, screen.New(nil))
		},
	}
}

// examine prints what there is, and ends with what is missing.
func examine(ctx context.Context, chain *services.Chain, scr *screen.Screen) error {
	needed, err := neededKinds()
	if err != nil {
		return err
	}
	var missing, later []string
	ports := map[int]string{8080: "the producers"}
	scr.Print(scr.Bold("this machine") + "\n" +
		fmt.Sprintf("  %-12s %s %s/%s, %d cores", "go", runtime.Version(),
			runtime.GOOS, runtime.GOARCH, runtime.NumCPU()))
	for _, tool := range []string{"make", "git"} {
		if path, err := exec.LookPath(tool); err == nil {
			scr.Print(fmt.Sprintf("  %-12s %s", tool, path))
		} else {
			scr.Print(fmt.Sprintf("  %-12s %s", tool, scr.Red("not found")))
			missing = append(missing, tool+": install it with your system's package manager")
		}
	}
	for _, tool := range services.Tools {
		path, mend := tool.Inspect()
		if path == "" {
			path = fmt.Sprintf("%s, so no %s", scr.Red("none"), tool.For)
			missing = append(missing, fmt.Sprintf("a %s, for the %s: %s", tool.Title, tool.For, mend))
		}
		scr.Print(fmt.Sprintf("  %-12s %s", tool.Title, path))
	}
	scr.Print("")
	for _, kind := range services.Kinds() {
		report, err := chain.Inspect(ctx, kind)
		if err != nil {
			return err
		}
		printReport(scr, report)
		for _, port := range report.Ports {
			ports[port] = report.Title
		}
		switch {
		case report.Missing == "":
		case needed[kind]:
			missing = append(missing, report.Missing+": "+report.Mend)
		default:
			later = append(later, report.Title)
		}
	}
	printPorts(scr, ports)
	if len(later) > 0 {
		scr.Print("\nNo step here needs " + strings.Join(later, " or ") + " yet.")
	}
	if len(missing) == 0 {
		scr.Print("\n" + scr.Green("Nothing is missing."))
		return nil
	}
	slices.Sort(missing)
	scr.Print("\n" + scr.Bold("what is missing, and the command that mends it"))
	for _, m := range slices.Compact(missing) {
		scr.Print("  " + m)
	}
	return nil
}

// neededKinds are the servers that the steps of this checkout need.
func neededKinds() (map[services.Kind]bool, error) {
	root, err := home.Root()
	if err != nil {
		return nil, err
	}
	steps, err := manifest.Find(root)
	if err != nil {
		return nil, err
	}
	needed := map[services.Kind]bool{}
	for _, name := range steps {
		step, err := manifest.Read(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		for _, text := range step.Needs {
			need, err := services.ParseNeed(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			needed[need.Kind] = true
		}
	}
	return needed, nil
}

func printReport(scr *screen.Screen, r services.Report) {
	uses := scr.Red("nothing can provide it")
	if r.Uses != "" {
		uses = "would be provided by: " + scr.Green(r.Uses)
	}
	scr.Print(scr.Bold(fmt.Sprintf("%-12s", r.Title)) + "  " + uses)
	for _, f := range r.Findings {
		mark := " "
		if f.OK {
			mark = "✓"
		}
		text := strings.ReplaceAll(f.Text, "\n", "\n                 ")
		scr.Print(fmt.Sprintf("  %s %-9s    %s", mark, f.Link, scr.Faint(text)))
	}
}

// printPorts says who is in the way: the lab goes around a port that is taken,
// and a student wonders why the README's address does not answer.
func printPorts(scr *screen.Screen, ports map[int]string) {
	var taken []string
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = l.Close()
		}
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			taken = append(taken, fmt.Sprintf("%d (%s)", port, ports[port]))
		case err != nil:
			taken = append(taken, fmt.Sprintf("%d (%s): %v", port, ports[port], err))
		}
	}
	if len(taken) == 0 {
		scr.Print("\nAll the usual ports are free.")
		return
	}
	scr.Print("\nPorts in use: " + strings.Join(taken, ", ") +
		".\nThe lab uses what answers there if it is the right server, and other ports if not.")
}
