from .console import terminal as terminal
from .digest import summary as summary
from .document import available as available
from .document import page as page
from .sentences import headline as headline
