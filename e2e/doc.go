// Package e2e tries the gateway with the clients people use: OpenAI's Go library here, and the npm libraries of the folder npm, which
// TestNPMClients starts. All talk to the built binary (environment variable CADDY_BIN, default ../caddy) over HTTP on the loopback
// interface. The script run does it all, in a network namespace of its own where the system has them.
//
// There are gateways that tests share: one on which everything works (demo), one whose Google refuses (troubled). Tests that look at
// what Google is asked, or restart the gateway, have one of their own (watch), those in JavaScript by way of control.
//
// It is a Go module of its own so that the plugin's go.mod lists only what the plugin needs.
package e2e
