package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	proxyconfig "github.com/gemini-proxy/caddy-gemini-proxy/caddyfile"
)

// Bounds of an examination.
const (
	examinedAtOnce = 8
	patience       = 30 * time.Second // with one credential
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [--config <path> [--adapter <name>]] [--json]",
		Short: "Asks Google what each credential is good for",
		Long: `
Asks Google one cheap question with each credential, and says in plain words what it is
good for. It spends no quota for generating: the question is how many tokens a word has,
or, for Code Assist, what is left of the account's quota. OAuth credentials and service
accounts get a new access token first.

The credentials are those of the environment, as for 'caddy gemini-proxy run', or with
--config those of every gemini_proxy in that configuration, which are asked about at its
endpoints and over its transport. A Caddy that runs is not needed and not touched.

	good     Google would answer a request now
	later    it will again, without anybody doing anything: a quota is used up, or the
	         model is overloaded
	bad      somebody has to do something about it
	unknown  there was no answer

The exit status is 0 if at least one credential is good, else 1. What Google says may name
projects and pages of its console, for you only. No secret is ever printed.

	$ GEMINI_API_KEY=<key> caddy gemini-proxy doctor
	$ caddy gemini-proxy doctor --config /etc/caddy/Caddyfile
	$ caddy gemini-proxy doctor --json | jq '.credentials[] | select(.state == "bad")'
`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringP("config", "c", "", "Configuration file whose credentials to examine, instead of those of the environment")
	cmd.Flags().StringP("adapter", "a", "", "Name of the config adapter to apply (when --config is used)")
	cmd.Flags().Bool("json", false, "Print JSON")
	cmd.RunE = caddycmd.WrapCommandFuncForCobra(func(fs caddycmd.Flags) (int, error) {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := doctor(ctx, fs.String("config"), fs.String("adapter"), fs.Bool("json"), cmd.OutOrStdout()); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		return caddy.ExitCodeSuccess, nil
	})
	return cmd
}

// doctor examines the credentials of a configuration file, or without one of the environment, and prints the report. The error is nil
// if at least one credential is good.
func doctor(ctx context.Context, file, adapter string, asJSON bool, out io.Writer) error {
	configs := []proxyconfig.Config{{}}
	if file != "" || adapter != "" {
		var err error
		if configs, err = handlers(file, adapter); err != nil {
			return err
		}
	}
	patients, complaints, discharge, err := admit(configs)
	if err != nil {
		return err
	}
	defer discharge()
	report := Report{Credentials: examine(ctx, patients), Errors: complaints}
	report.Notes = notes(report.Credentials)
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(&report)
	} else {
		err = printReport(out, &report)
	}
	if err == nil && report.good() == 0 {
		err = errors.New("no credential can be used at the moment")
	}
	return err
}

// examine asks about all patients, some at once, and returns what was found in their order. It ends early when the context does.
func examine(ctx context.Context, patients []patient) []Diagnosis {
	found := make([]Diagnosis, len(patients))
	var wg sync.WaitGroup
	free := make(chan struct{}, examinedAtOnce)
	for i := range patients {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			found[i] = patients[i].examine(ctx)
		})
	}
	wg.Wait()
	return found
}
