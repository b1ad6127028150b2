package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/gemini-proxy/caddy-gemini-proxy/rotator"
)

// whichCaddy ends the manual of every command that talks to a running Caddy.
const whichCaddy = `
The Caddy that runs is asked through its admin API, which must not be switched off. It is
found at --address if that is given, else where the configuration of --config puts it,
else at Caddy's default.
`

func accountsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Shows the accounts of a running gateway",
		Long: `
Shows the accounts of all gemini_proxy handlers of a running Caddy: what state each is in
and why, how many requests it has had and how many failed, and what its quota group has
used of each model, of the limit where one is known: requests a minute (RPM), requests a
day (RPD) and prompt tokens a minute (TPM).

	ready     can serve at least one model
	cooling   is out of quota for every model it was used for, or has no access token
	disabled  is not used for anything: an operator disabled it, or Google refuses its
	          credential

--json prints what GET ` + pathAccounts + ` answers.
` + whichCaddy + `
	$ caddy gemini-proxy accounts
	$ caddy gemini-proxy accounts --json | jq '.accounts[] | select(.state != "ready")'
`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().Bool("json", false, "Print JSON")
	return operating(cmd, func(fs caddycmd.Flags, out io.Writer) error {
		answer, err := request(fs, http.MethodGet, pathAccounts, nil)
		if err != nil {
			return err
		}
		if fs.Bool("json") {
			_, err = out.Write(answer)
			return err
		}
		var shown rotator.PoolSnapshot
		if err := json.Unmarshal(answer, &shown); err != nil {
			return fmt.Errorf("understanding the answer of %s: %w", pathAccounts, err)
		}
		return printAccounts(out, &shown)
	})
}

func disableCommand() *cobra.Command {
	return changing(pathDisable, &cobra.Command{
		Use:   "disable <label> [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Takes an account of a running gateway out of use",
		Long: `
Takes the accounts with a label out of use until 'caddy gemini-proxy enable'. No request
uses them from now on, in any handler; those under way go on. It outlives reloads of the
configuration, and with a state that does, as is the default, the process.
` + whichCaddy + `
	$ caddy gemini-proxy disable env-3
`,
		Args: cobra.ExactArgs(1),
	})
}

func enableCommand() *cobra.Command {
	return changing(pathEnable, &cobra.Command{
		Use:   "enable <label> [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Puts an account of a running gateway into use again",
		Long: `
Puts the accounts with a label into use again, whether they were disabled with
'caddy gemini-proxy disable' or because Google refused their credential. If Google still
does, they are disabled again by the next request.
` + whichCaddy + `
	$ caddy gemini-proxy enable env-3
`,
		Args: cobra.ExactArgs(1),
	})
}

func resetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset <label> | --all [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Has a running gateway try accounts again that Google has refused",
		Long: `
Forgets what keeps the accounts with a label, or all accounts, from being used: that
Google refused their credential, the cooldowns of their quota group and the limits that
Google named for it, which other accounts may share, and that models are overloaded. The
next request tries again.

What was used is not forgotten, because spent quota is spent, and accounts that were
disabled with 'caddy gemini-proxy disable' stay so.
` + whichCaddy + `
	$ caddy gemini-proxy reset env-3
	$ caddy gemini-proxy reset --all
`,
		Args: func(cmd *cobra.Command, args []string) error {
			if all, err := cmd.Flags().GetBool("all"); err != nil || all {
				return cobra.ExactArgs(0)(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
	}
	cmd.Flags().Bool("all", false, "Reset all accounts")
	return changing(pathReset, cmd)
}

// changing is a command that posts a target, and prints what has become of the accounts.
func changing(path string, cmd *cobra.Command) *cobra.Command {
	return operating(cmd, func(fs caddycmd.Flags, out io.Writer) error {
		target := Target{Label: fs.Arg(0)}
		if fs.Lookup("all") != nil {
			target.All = fs.Bool("all")
		}
		answer, err := request(fs, http.MethodPost, path, &target)
		if err != nil {
			return err
		}
		var changed Changed
		if err := json.Unmarshal(answer, &changed); err != nil {
			return fmt.Errorf("understanding the answer of %s: %w", path, err)
		}
		return printChanged(out, changed.Accounts)
	})
}

// operating makes a command one that talks to a running Caddy.
func operating(cmd *cobra.Command, do func(fs caddycmd.Flags, out io.Writer) error) *cobra.Command {
	cmd.Flags().String("address", "", "The address of the admin API, if not the default")
	cmd.Flags().StringP("config", "c", "", "Configuration to read the address of the admin API from, if --address is not used")
	cmd.Flags().StringP("adapter", "a", "", "Name of the config adapter to apply (when --config is used)")
	cmd.RunE = caddycmd.WrapCommandFuncForCobra(func(fs caddycmd.Flags) (int, error) {
		if err := do(fs, cmd.OutOrStdout()); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		return caddy.ExitCodeSuccess, nil
	})
	return cmd
}

// request asks the admin API of the Caddy that the flags mean. There is no body if target is nil.
func request(fs caddycmd.Flags, method, path string, target *Target) ([]byte, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(fs.String("address"), nil, fs.String("config"), fs.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin API: %w", err)
	}
	var body io.Reader
	if target != nil {
		text, err := json.Marshal(target)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	response, err := caddycmd.AdminAPIRequest(address, method, path, nil, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}
