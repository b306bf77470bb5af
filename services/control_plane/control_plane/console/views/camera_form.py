"""The form of a camera, and the words for its choices."""

from wtforms import BooleanField, Form, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from camfleet_contract.cameras import CameraType, RecordedStream, RecordingMode, RecordQuality, RtspTransport
from control_plane.console.fields import NEEDED, SearchField, SecretField

SECRETS = ("password", "rtsp_url", "rtsp_url_sub")
TYPES = {CameraType.RTSP: "RTSP", CameraType.IP: "IP camera", CameraType.WEBCAM: "Webcam"}
MODES = {RecordingMode.LOCAL_CLIENT: "By a local recording client", RecordingMode.BACKEND: "By the backend"}
TRANSPORTS = {"": "As the recorder is set", RtspTransport.TCP: "TCP", RtspTransport.UDP: "UDP"}
STREAMS = {RecordedStream.MAIN: "The main stream", RecordedStream.SUB: "The second stream"}


class CameraForm(Form):
    """A camera."""

    name = StringField("Name", [NEEDED])
    site_id = SearchField("Site", lookup="site_id", validators=[NEEDED])
    location = StringField("Location", description="Where it hangs, for people: “gate, east side”.")
    is_active = BooleanField("Active", default=True, description="An inactive camera is not recorded.")
    ip_address = StringField("Address", description="IP address or host name, as the recorder reaches it.")
    port = IntegerField("Port", default=554)
    rtsp_path = StringField("Path", default="/", description="As in /stream1 or /Streaming/Channels/101.")
    username = StringField("User name", render_kw={"autocomplete": "off"})
    password = SecretField("Password", render_kw={"autocomplete": "new-password"})
    clear_password = BooleanField("Forget the stored password")
    rtsp_url = SecretField(
        "Stream URL",
        render_kw={"autocomplete": "new-password"},
        description="Only where the stream can't be described by the fields above: it wins over them.",
    )
    clear_rtsp_url = BooleanField("Forget the stored URL")
    rtsp_url_sub = SecretField(
        "Second stream's URL",
        render_kw={"autocomplete": "new-password"},
        description="A smaller picture, where the camera has one. User and password are those above.",
    )
    clear_rtsp_url_sub = BooleanField("Forget the stored second URL")
    rtsp_transport = SelectField(
        "Transport",
        choices=[(str(transport), text) for transport, text in TRANSPORTS.items()],
        default="",
        description="TCP, unless the recorder's RTSP_TRANSPORT says otherwise. UDP for cameras that do TCP badly: "
        "what the network loses is then lost.",
    )
    recorded_stream = SelectField(
        "Stream",
        choices=[(str(stream), text) for stream, text in STREAMS.items()],
        default=str(RecordedStream.MAIN),
        description="The second stream saves disk and uplink and shows less. It needs its URL above.",
    )
    retention_days = IntegerField(
        "Keep for days",
        validators=[Optional()],
        description="Older footage of this camera is deleted from the store, unless its recording is held. "
        "Empty: as the server is set, by default for ever.",
    )
    recording_mode = SelectField("Recorded", choices=[(str(mode), text) for mode, text in MODES.items()])
    camera_type = SelectField(
        "Type",
        choices=[(str(kind), text) for kind, text in TYPES.items()],
        default=str(CameraType.RTSP),
    )
    record_quality = SelectField(
        "Quality",
        choices=[("high", "High"), ("medium", "Medium"), ("low", "Low")],
        default=str(RecordQuality.MEDIUM),
        description="For predecessor clients, which re-encode. Current recorders copy the stream as it is.",
    )


SECTIONS = (
    ("Camera", "", ("name", "site_id", "location", "is_active")),
    (
        "Connection",
        "The recorder puts the stream's URL together from these.",
        ("ip_address", "port", "username", "password", "clear_password", "rtsp_path"),
    ),
    (
        "Or a whole URL",
        "Stored encrypted and never shown again, since it may hold a password.",
        ("rtsp_url", "clear_rtsp_url", "rtsp_url_sub", "clear_rtsp_url_sub"),
    ),
    (
        "Recording",
        "",
        ("recording_mode", "recorded_stream", "rtsp_transport", "retention_days", "camera_type", "record_quality"),
    ),
)
