"""xlbctl config: what a running xlbd, or a file, comes down to."""

import json

from lab import PairConfig


def test_the_running_configuration_is_shown_and_can_be_read_again(lab, tmp_path):
    for name in ("n1", "n2"):
        lab.web(name)
    config = PairConfig(version=3, advert_int="0.1")
    master, _ = lab.pair(config)
    shown = master.ctl("config", "show")
    assert "advert_int 0.1" in shown
    assert "flow_table_size" in shown and "hysteresis 0" in shown  # defaults
    again = tmp_path / "again.conf"
    again.write_text(shown)
    assert master.ctl("config", "show", "-f", again) == shown
    document = json.loads(master.ctl("config", "show", "--json"))
    assert document["vrrp_instance"][0]["advert_int"] == "0.1"
    # A reload shows the new one; a file with the same meaning changes nothing.
    master.config.write_text(shown)
    assert master.ctl("reload", "--dry-run").strip() == ""
    master.config.write_text("$PERIOD=0.1\n" + config.text(master.name).replace("advert_int 0.1", "advert_int $PERIOD"))
    assert master.ctl("reload").strip() == ""
    assert master.ctl("config", "show") == shown
