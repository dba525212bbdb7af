"""How it looks: one TOML file per theme, read by `autolab_tui.themes`."""
