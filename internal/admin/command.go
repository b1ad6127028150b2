// Package admin is how operators talk to gemini_proxy from the command line: caddy gemini-proxy.
package admin

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "gemini-proxy",
		Usage: "<command>",
		Short: "Tools for the gateway to Google Gemini",
		Long: `
Tools for gemini_proxy, the gateway that lets OpenAI clients use Google Gemini through a
pool of credentials. To serve your own credentials, write a Caddyfile with the directive
gemini_proxy and use 'caddy run'; 'caddy gemini-proxy run' is the same with defaults only.
The command doctor finds out what credentials are good for. The commands accounts, explain,
disable, enable and reset are for operating a gateway that runs.
`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(demoCommand(), runCommand(), doctorCommand(),
				accountsCommand(), explainCommand(), disableCommand(), enableCommand(), resetCommand())
		},
	})
}
