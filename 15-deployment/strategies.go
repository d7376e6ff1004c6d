package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// strategy brings a version in while another one runs. When it returns an error, the deployer goes
// back.
type strategy func(d *Deployer, ctx context.Context, from, to string) error

var strategies = map[string]strategy{
	"stop-and-start": stopAndStart,
	"rolling":        rolling,
	"blue-green":     blueGreen,
	"canary":         canary,
}

// stopAndStart needs no more room than the old version had. Meanwhile nobody is there.
func stopAndStart(d *Deployer, ctx context.Context, _, to string) error {
	d.retireAll(d.others(to))
	return d.converge(ctx, to)
}

// rolling replaces one replica at a time, which needs room for one more. Both versions serve
// until the last one is replaced.
func rolling(d *Deployer, ctx context.Context, from, to string) error {
	for _, program := range programs {
		for range d.Desired().Replicas[program] {
			if err := d.launch(ctx, program, to); err != nil {
				return err
			}
			if program == "producer" {
				if err := d.judge(ctx, from, to); err != nil {
					return err
				}
			}
			if old := d.of(program, from); len(old) > 0 {
				d.retire(old[0])
			}
		}
	}
	return d.converge(ctx, to)
}

// blueGreen starts the whole new version beside the old one, which needs room for both. All orders
// change over in one instant, and go back as fast.
func blueGreen(d *Deployer, ctx context.Context, from, to string) error {
	d.door.Split(to, 0)
	return d.changeOver(ctx, from, to)
}

// canary lets few orders meet the new version first: what is wrong with it is wrong for few.
func canary(d *Deployer, ctx context.Context, from, to string) error {
	d.door.Split(to, 5)
	if err := d.launch(ctx, "producer", to); err != nil {
		return err
	}
	for _, percent := range []float64{5, 25} {
		d.door.Split(to, percent)
		if err := d.judge(ctx, from, to); err != nil {
			return err
		}
	}
	return d.changeOver(ctx, from, to)
}

func (d *Deployer) changeOver(ctx context.Context, from, to string) error {
	if err := d.fill(ctx, to); err != nil {
		return err
	}
	d.door.Split(to, 100)
	if err := d.judge(ctx, from, to); err != nil {
		return err
	}
	return d.converge(ctx, to)
}

// watchMost is how many times the settings' Watch a version is watched where few orders come.
const watchMost = 20

// judge watches the new version until enough orders have met it.
func (d *Deployer) judge(ctx context.Context, from, to string) error {
	old := d.door.Seen(from) // for when all orders meet the new one
	d.door.Forget()
	for range watchMost {
		if !pause(ctx, d.settings.Watch) {
			return context.Cause(ctx)
		}
		if d.door.Seen(to).Answers >= d.settings.Enough {
			break
		}
	}
	if now := d.door.Seen(from); now.Answers > 0 {
		old = now
	}
	return verdict(d.door.Seen(to), old, d.settings.MaxBad)
}

var errNobodyCame = errors.New("no order has met the new version: no evidence is no yes")

// verdict compares the new version with the old one of the same time: what slows both, such as a slow
// database, is not the new one's fault.
func verdict(fresh, old Sample, maxBad float64) error {
	if fresh.Answers == 0 {
		return errNobodyCame
	}
	if fresh.share() > old.share()+maxBad {
		return fmt.Errorf("%d of %d answers of the new version were errors or too slow, "+
			"and %d of %d of the old one", fresh.Bad, fresh.Answers, old.Bad, old.Answers)
	}
	return nil
}

func (s Sample) share() float64 {
	if s.Answers == 0 {
		return 0
	}
	return float64(s.Bad) / float64(s.Answers)
}

// ErrBusy says that a version is coming in.
var ErrBusy = errors.New("another version is coming in: try again when it is there")

// Deploy begins to bring a version in, and returns. Of one that is there already nothing is to be
// done. When ctx ends the rollout stops where it is.
func (d *Deployer) Deploy(ctx context.Context, version string) error {
	release, err := FindRelease(version)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rolling {
		return ErrBusy
	}
	if d.desired.Version == version {
		return nil // the control loop sees to it that it runs
	}
	d.rolling = true
	d.group.Go(func() { d.roll(ctx, release) })
	return nil
}

// roll brings the release in, or goes back.
func (d *Deployer) roll(ctx context.Context, to Release) {
	d.rollout.Lock()
	defer d.rollout.Unlock()
	began, from := time.Now(), d.Desired()
	d.mu.Lock()
	d.peak = len(d.replicas)
	d.mu.Unlock()
	slog.Info("rollout begins", "from", from.Version, "to", to.Name, "strategy", d.settings.Strategy)

	err := d.migrate(ctx, to)
	if err == nil {
		err = strategies[d.settings.Strategy](d, ctx, from.Version, to.Name)
	}
	back := 0
	if err == nil {
		d.setDesired(Desired{Version: to.Name, Replicas: from.Replicas})
		// Only what has held is written down: a deployer that dies before comes back with the old.
		err = writeDesired(d.settings.Desired, d.Desired())
	} else if ctx.Err() == nil {
		back = 1
		slog.Warn("going back", "to", from.Version, "reason", err)
		err = d.converge(ctx, from.Version)
	}
	d.mu.Lock()
	d.rolling = false
	peak := d.peak
	d.mu.Unlock()
	slog.Info("rollout ended", "version", d.Desired().Version, "back", back, "peak", peak,
		"of_new", len(d.of("producer", to.Name)), "of_old", len(d.of("producer", from.Version)),
		"restarts", d.Restarts(), "took", time.Since(began), "error", err)
}
