"""The form of a local recording client."""

from wtforms import BooleanField, Form, IntegerField, StringField
from wtforms.validators import Optional

from control_plane.console.fields import NEEDED, SearchField, SearchManyField


class ClientForm(Form):
    """A local recording client."""

    name = StringField("Name", [NEEDED])
    site_id = SearchField("Site", lookup="site_id", validators=[NEEDED])
    camera_ids = SearchManyField(
        "Cameras",
        lookup="camera_ids",
        depends_on="site_id",
        description="The cameras that this recorder records. Type a part of a name or an address; only cameras of its "
        "site can be chosen.",
    )
    upload_limit_kbit = IntegerField(
        "Upload limit in kbit/s",
        [Optional()],
        description="What all its uploads together may take of the site's uplink: 2000 is 2 Mbit/s. Empty: no limit.",
    )
    upload_hours = StringField(
        "Upload hours",
        description="When it may upload, in the site's time: “22:00-06:00, 12:00-13:00”. Empty: always.",
    )
    is_active = BooleanField("Active", default=True, description="The tokens of an inactive client are refused.")
