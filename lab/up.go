package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/home"
	"course.example/lab/internal/screen"
	"course.example/lab/services"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "start servers on their usual ports and leave them running",
		ArgsUsage: "[SERVICE...]",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			var kinds []services.Kind
			for _, name := range cmd.Args().Slice() {
				need, err := services.ParseNeed(name)
				if err != nil {
					return err
				}
				kinds = append(kinds, need.Kind)
			}
			scr := screen.New(nil)
			servers, err := services.Up(ctx, kinds, services.Options{
				Say: func(line string) { scr.Say("%s", line) }, Ask: scr.Ask(ctx),
			})
			for _, s := range servers {
				scr.Print(fmt.Sprintf("%-10s %s  %s", s.Name, s.Shown(), s.Page))
			}
			if err == nil {
				scr.Print("They run until: make down")
			}
			return err
		},
	}
}

func downCommand() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "stop what up has started",
		Action: func(ctx context.Context, _ *cli.Command) error {
			stopped := 0
			err := services.Down(ctx, func(line string) {
				stopped++
				fmt.Println(line)
			})
			if err == nil && stopped == 0 {
				fmt.Println("nothing was up")
			}
			return err
		},
	}
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "what is running: runs of the lab, and servers that up has started",
		Action: func(context.Context, *cli.Command) error {
			runs, err := home.Live()
			servers, serversErr := services.Status()
			if err := errors.Join(err, serversErr); err != nil {
				return err
			}
			for _, r := range runs {
				fmt.Printf("run     %-22s %-14s since %s (pid %d)\n", r.ID, r.Command,
					r.Started.Format(time.TimeOnly), r.Owner.Pid)
			}
			for _, s := range servers {
				state := "has ended; make down cleans up"
				if s.Running {
					state = "running"
				}
				where := fmt.Sprintf("pid %d", s.Pid)
				if s.Docker {
					where = "docker compose"
				}
				fmt.Printf("server  %-22s %-14s %s\n", s.Name, where, state)
			}
			if len(runs)+len(servers) == 0 {
				fmt.Println("nothing of the lab's is running")
			}
			return nil
		},
	}
}
