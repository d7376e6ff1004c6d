package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Live returns the records of the runs whose owner is alive on this machine, oldest first.
func Live() ([]Record, error) {
	var live []Record
	err := eachRun(func(_ string, rec Record) error {
		if rec.Where == where() && rec.Owner.Alive() {
			live = append(live, rec)
		}
		return nil
	})
	return live, err
}

// Dead returns the records of the runs on this machine whose owner has been killed.
func Dead() ([]Record, error) {
	var dead []Record
	err := eachRun(func(_ string, rec Record) error {
		if rec.Where == where() && !rec.Owner.Alive() {
			dead = append(dead, rec)
		}
		return nil
	})
	return dead, err
}

// Sweep removes what runs that were killed have left behind: it kills their children that
// still run, removes their folders, and says so in one line for each run. Runs whose owner is
// alive, or lives on another machine or in another container, are left alone.
func Sweep(say func(line string)) error {
	return eachRun(func(dir string, rec Record) error {
		if rec.Where != where() {
			say(fmt.Sprintf("run %s was started elsewhere (%s) and is left alone: %s",
				rec.ID, rec.Where, dir))
			return nil
		}
		if rec.Owner.Alive() {
			return nil
		}
		killed, err := NewChildren(filepath.Join(dir, "children")).Kill()
		if err != nil {
			return fmt.Errorf("sweep run %s: %w", rec.ID, err)
		}
		if err := remove(dir, rec); err != nil {
			return fmt.Errorf("sweep run %s: %w", rec.ID, err)
		}
		line := fmt.Sprintf("cleaned up after run %s (%s), which was killed: ", rec.ID, rec.Command)
		if len(killed) > 0 {
			line += "stopped " + names(killed) + ", "
		}
		say(line + "removed its data")
		return nil
	})
}

// eachRun visits every run folder; one that cannot be handled does not keep others from it.
func eachRun(visit func(dir string, rec Record) error) error {
	runs, err := runsDir()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(runs)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		if strings.HasPrefix(e.Name(), ".new-") {
			errs = append(errs, removeStale(dir, e))
			continue
		}
		var rec Record
		err := readJSON(filepath.Join(dir, "lab.json"), &rec)
		if errors.Is(err, fs.ErrNotExist) {
			// Its owner, or another sweep, is just removing it: the record goes last, and
			// only an empty folder can be left to remove here.
			_ = os.Remove(dir)
			continue
		}
		if err == nil {
			err = visit(dir, rec)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeStale removes a folder whose owner was killed in the instant of making it.
func removeStale(dir string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil || time.Since(info.ModTime()) < time.Hour {
		return nil // gone already, or in the making
	}
	return os.RemoveAll(dir)
}

// remove deletes a run's folders. The owner record goes last, so that a removal cut short is
// taken up again by the next sweep.
func remove(dir string, rec Record) error {
	for _, temp := range rec.Temps {
		// A record is a file that somebody may have edited: never remove what we did not name.
		if !strings.HasPrefix(filepath.Base(temp), tempPrefix) {
			return fmt.Errorf("%s is not a folder the lab made; not removed", temp)
		}
		if err := removeAll(temp); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() == "lab.json" {
			continue
		}
		if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return removeAll(dir)
}

// removeAll tries for a moment: a server that was killed just now may write its last file
// while its folder is being removed.
func removeAll(path string) error {
	var err error
	for range 40 {
		if err = os.RemoveAll(path); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func names(all []Process) string {
	var out []string
	for _, p := range all {
		out = append(out, fmt.Sprintf("%s (pid %d)", p.Name, p.Pid))
	}
	return strings.Join(out, ", ")
}
